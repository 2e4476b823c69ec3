"""Cancellation: units that have not left go back to where they were, and their money to whom it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from uriba.core.errors import Code, Invalid, InvalidState, Refusals
from uriba.core.quantities import check_rows
from uriba.db import Session
from uriba.fulfillment.allocation import backorders, reallocate, split
from uriba.fulfillment.lifecycle import closing
from uriba.fulfillment.lifecycle.transitions import DEPARTED
from uriba.fulfillment.models import PROMISED, FulfillmentStatus
from uriba.fulfillment.order_snapshot import CANCELLABLE, FulfillmentPart, OrderSnapshot
from uriba.inventory import ledger
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason
from uriba.orders import payments, timeline
from uriba.orders.events import OrderLinesCancelled
from uriba.orders.payments import PaymentReason
from uriba.orders.timeline import TimelineEntry
from uriba.pricing import redemptions

ORDER = (
    FulfillmentStatus.BACKORDERED,
    FulfillmentStatus.ALLOCATED,
    FulfillmentStatus.PICKED,
    FulfillmentStatus.READY_FOR_PICKUP,
)
"""Of a line's units, which are cancelled first: those that are least far."""


def units_to_cancel(book: OrderSnapshot, units: Mapping[UUID, int] | None) -> dict[UUID, int]:
    """The units to cancel, by line: these, or all of an order of which nothing has left.

    Errors: `InvalidState` (ended, or left already), `NotFound`, `InvalidQuantity`, `LimitExceeded`, per line.
    """
    if book.order["status"] == "CANCELLED":
        raise InvalidState("This order is cancelled already.", "orderId")
    if units is None:
        if any(book.units(line.id, DEPARTED) for line in book.lines):
            raise InvalidState(
                "Some of this order has left: name the lines to cancel, and return what left.", "orderId"
            )
        return {line.id: left for line in book.lines if (left := book.units(line.id, CANCELLABLE))}
    check_rows(len(units), "lines")
    if not units:
        raise Invalid("Name at least one line.", "lines")
    refusals = Refusals()
    for index, (line_id, quantity) in enumerate(units.items()):
        _check(book, line_id, quantity, index, refusals)
    refusals.raise_any()
    return dict(units)


def _check(book: OrderSnapshot, line_id: UUID, quantity: int, index: int, refusals: Refusals) -> None:
    line = book.line(line_id)
    if line is None:
        refusals.add(Code.NOT_FOUND, "This order has no such line.", "lines", index, "orderLineId")
        return
    left = book.units(line_id, CANCELLABLE)
    if not 0 < quantity <= line.quantity - line.cancelled:
        why = f"{line.quantity - line.cancelled} units of this line are not cancelled."
        refusals.add(Code.INVALID_QUANTITY, why, "lines", index, "quantity")
    elif quantity > left:
        why = f"{left} units of this line have not left yet."
        refusals.add(Code.INVALID_STATE, why, "lines", index, "quantity")


async def cancel(
    session: Session,
    book: OrderSnapshot,
    units: Mapping[UUID, int],
    *,
    reason: str | None,
    actor: str,
    at_till: bool = False,
    only: UUID | None = None,
) -> None:
    """Cancel units of a locked order, `only` those of one fulfillment where it is named. The book is spent by it."""
    chosen = list(_chosen(book, units, only))
    touched = []
    for fulfillment_id, taken in _by_fulfillment(chosen).items():
        pieces = [piece for piece in book.pieces if piece.fulfillment_id == fulfillment_id]
        touched.append(await split.split_off(session, fulfillment_id, pieces, taken))
    await session.run(
        "UPDATE fulfillment SET status = 'CANCELLED', reason = $2, changed_at = now() WHERE id = ANY($1)",
        touched,
        reason,
    )
    await session.run(
        "UPDATE order_line l SET cancelled_quantity = cancelled_quantity + u.units "
        "FROM unnest($1::uuid[], $2::bigint[]) AS u(id, units) WHERE l.id = u.id",
        list(units),
        list(units.values()),
    )
    await reallocate.tell(session, touched, reason=reason, actor=actor)
    whole = all(line.cancelled + units.get(line.id, 0) == line.quantity for line in book.lines)
    await _money(session, book, units, whole=whole, actor=actor, at_till=at_till)
    if not whole:
        told = {"lines": [{"orderLine": str(key), "units": taken} for key, taken in units.items()], "reason": reason}
        await timeline.record(session, [TimelineEntry(book.order["id"], OrderLinesCancelled, told)], actor=actor)
    await closing.end(session, book.order["id"], actor=actor, reason=reason)
    await _put_back(session, book, chosen, actor=actor)


def _chosen(book: OrderSnapshot, units: Mapping[UUID, int], only: UUID | None) -> Iterator[FulfillmentPart]:
    """The pieces that the units are taken from, each with as many as it gives."""
    for line_id, quantity in units.items():
        left = quantity
        of_line = [p for p in book.pieces if p.line_id == line_id and p.status in CANCELLABLE]
        for piece in sorted(of_line, key=lambda p: ORDER.index(p.status)):
            if (only is None or piece.fulfillment_id == only) and (taken := min(left, piece.quantity)) > 0:
                left -= taken
                yield _with(piece, taken)


def _with(piece: FulfillmentPart, quantity: int) -> FulfillmentPart:
    return FulfillmentPart(
        fulfillment_id=piece.fulfillment_id,
        line_id=piece.line_id,
        quantity=quantity,
        status=piece.status,
        method=piece.method,
        location_id=piece.location_id,
    )


def _by_fulfillment(chosen: Sequence[FulfillmentPart]) -> dict[UUID, dict[UUID, int]]:
    found: dict[UUID, dict[UUID, int]] = {}
    for piece in chosen:
        found.setdefault(piece.fulfillment_id, {})[piece.line_id] = piece.quantity
    return found


async def _money(
    session: Session, book: OrderSnapshot, units: Mapping[UUID, int], *, whole: bool, actor: str, at_till: bool
) -> None:
    """What was paid for the units goes back; all that is left, where all is cancelled. Coupons can be used again."""
    order_id = book.order["id"]
    amount = book.refund(units).total_minor
    if whole:
        amount = await payments.paid_minor(session, order_id)
        await redemptions.reverse(session, order_id=order_id)
    await payments.refund(session, book.order, amount, reason=PaymentReason.CANCELLED, actor=actor, at_till=at_till)


async def _put_back(session: Session, book: OrderSnapshot, chosen: Sequence[FulfillmentPart], *, actor: str) -> None:
    """Stock is for sale again where it was promised; whoever waits for it gets it first."""
    variants: dict[UUID, int] = {line.id: line.variant_id for line in book.lines}
    freed: Counter[tuple[int, int]] = Counter()
    for piece in chosen:
        if piece.status in PROMISED:
            freed[variants[piece.line_id], piece.location_id] += piece.quantity
    movements = [
        Movement(variant_id=v, location_id=p, reason=StockReason.RELEASE, quantity=units, committed=-units)
        for (v, p), units in sorted(freed.items())
    ]
    if movements:
        rows = await ledger.post(session, movements, reference=f"order:{book.order['id']}", actor=actor)
        await backorders.fill(session, rows, actor=actor)
