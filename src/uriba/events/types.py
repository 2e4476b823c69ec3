"""The types of events that there are, for those who choose among them."""

from __future__ import annotations

from collections.abc import Sequence

from uriba.core.errors import Code, Refusals

TYPES_MAX = 100

TYPES = frozenset(
    {
        "alert.closed",
        "alert.opened",
        "cart.created",
        "cart.handed_off",
        "cart.merged",
        "cart.ordered",
        "cart.updated",
        "endpoint.test",
        "fulfillment.updated",
        "order.cancelled",
        "order.completed",
        "order.lines_cancelled",
        "order.placed",
        "payment.updated",
        "price.changed",
        "product.changed",
        "return.created",
        "shortage.opened",
        "shortage.settled",
        "stock.changed",
        "terminal.synced",
    }
)


def check_types(types: Sequence[str] | None, *path: str) -> None:
    """Errors: INVALID for each type that there is not, LIMIT_EXCEEDED for too many."""
    refusals = Refusals()
    if types is not None and len(types) > TYPES_MAX:
        refusals.add(Code.LIMIT_EXCEEDED, f"Give at most {TYPES_MAX} types.", *path)
    for index, name in enumerate(types or ()):
        if name not in TYPES:
            refusals.add(Code.INVALID, "There is no such type of event.", *path, index)
    if types is not None and not types:
        refusals.add(Code.INVALID, "Give at least one type, or leave types out for all.", *path)
    refusals.raise_any()
