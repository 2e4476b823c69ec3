"""Cancellation: units that have not departed are released where they were promised, and refunded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

import msgspec

from uriba.core.actor import Actor, Role
from uriba.core.errors import Code, Invalid, InvalidState, Refusals
from uriba.core.quantities import check_rows
from uriba.db import Session
from uriba.db.statements import statement
from uriba.fulfillment import order_progress, order_snapshot
from uriba.fulfillment.allocation import backorders, split
from uriba.fulfillment.enums import CANCELLABLE, PROMISED
from uriba.fulfillment.lifecycle.transitions import DEPARTED
from uriba.fulfillment.order_snapshot import FulfillmentPart, OrderSnapshot
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason
from uriba.inventory.ledger import Movement
from uriba.orders import lifecycle, payments, timeline
from uriba.orders.enums import OrderStatus
from uriba.orders.events import OrderLinesCancelled
from uriba.orders.payments import PaymentReason
from uriba.orders.timeline import TimelineEntry
from uriba.pricing import redemptions


async def cancel_order(
    session: Session, *, order_id: UUID, units: Mapping[UUID, int] | None, reason: str | None, actor: Actor
) -> None:
    """Cancel these units of an order by line, or, with None, an order of which no unit has departed.

    A terminal pays out cash at once. Errors: those of `order_snapshot.lock` and `units_to_cancel`.
    """
    snapshot = await order_snapshot.lock(session, order_id, actor=actor, path="orderId")
    cancelled = units_to_cancel(snapshot, units)
    at_till = actor.role is Role.TERMINAL
    await cancel(session, snapshot, cancelled, reason=reason, actor=actor.label, at_till=at_till)


def units_to_cancel(snapshot: OrderSnapshot, units: Mapping[UUID, int] | None) -> dict[UUID, int]:
    """Return the units to cancel by line: these, or all units of an order of which none has departed.

    Errors: `InvalidState` (cancelled, or departed), and by line `NotFound`, `InvalidQuantity`, `LimitExceeded`.
    """
    if snapshot.order.status == OrderStatus.CANCELLED:
        raise InvalidState("This order is cancelled already.", "orderId")
    if units is None:
        if any(snapshot.units_in(line.id, DEPARTED) for line in snapshot.lines):
            raise InvalidState(
                "Some units of this order have been handed over or shipped. Name the lines to cancel, and return the "
                "units that have left.",
                "orderId",
            )
        return {line.id: left for line in snapshot.lines if (left := snapshot.units_in(line.id, CANCELLABLE))}
    check_rows(len(units), "lines")
    if not units:
        raise Invalid("Name at least one line.", "lines")
    refusals = Refusals()
    for index, (line_id, quantity) in enumerate(units.items()):
        _check_line(snapshot, line_id, quantity, index, refusals)
    refusals.raise_any()
    return dict(units)


def _check_line(snapshot: OrderSnapshot, line_id: UUID, quantity: int, index: int, refusals: Refusals) -> None:
    line = snapshot.line(line_id)
    if line is None:
        refusals.add(Code.NOT_FOUND, "This order has no such line.", "lines", index, "orderLineId")
        return
    cancellable = snapshot.units_in(line_id, CANCELLABLE)
    if not 0 < quantity <= line.quantity - line.cancelled:
        limit = f"{line.quantity - line.cancelled} units of this line are not cancelled. Give a number from 1 to that."
        refusals.add(Code.INVALID_QUANTITY, limit, "lines", index, "quantity")
    elif quantity > cancellable:
        limit = f"Only {cancellable} units of this line can be cancelled; the others have been handed over or shipped."
        refusals.add(Code.INVALID_STATE, limit, "lines", index, "quantity")


async def cancel(
    session: Session,
    snapshot: OrderSnapshot,
    units: Mapping[UUID, int],
    *,
    reason: str | None,
    actor: str,
    at_till: bool = False,
    fulfillment_id: UUID | None = None,
) -> None:
    """Cancel units of a locked order by line, of one fulfillment if it is named.

    `at_till`: a till pays out cash at once. The snapshot is not up to date afterwards.
    """
    order_id = snapshot.order.id
    cancelled = list(_cancelled_parts(snapshot, units, fulfillment_id))
    cancelled_ids = [
        await split.split_off(session, own_id, [p for p in snapshot.parts if p.fulfillment_id == own_id], own_units)
        for own_id, own_units in _units_by_fulfillment(cancelled).items()
    ]
    await session.run(_SET_CANCELLED, ids=cancelled_ids, reason=reason)
    await lifecycle.count_cancelled(session, units)
    await order_progress.record_updates(session, cancelled_ids, reason=reason, actor=actor)
    whole = all(line.cancelled + units.get(line.id, 0) == line.quantity for line in snapshot.lines)
    await _refund(session, snapshot, units, whole=whole, actor=actor, at_till=at_till)
    if not whole:
        data = {"lines": [{"orderLine": str(key), "units": n} for key, n in units.items()], "reason": reason}
        await timeline.record(session, [TimelineEntry(order_id, OrderLinesCancelled, data)], actor=actor)
    await order_progress.close_if_ended(session, order_id, actor=actor, reason=reason)
    await _release_stock(session, snapshot, cancelled, actor=actor)


_SET_CANCELLED = statement("""
    UPDATE fulfillment SET status = 'CANCELLED', reason = :reason, changed_at = now() WHERE id = ANY(:ids)
""")


def _cancelled_parts(
    snapshot: OrderSnapshot, units: Mapping[UUID, int], fulfillment_id: UUID | None
) -> Iterator[FulfillmentPart]:
    """Yield the parts that the units are taken from, each with the units that are taken.

    The parts that have advanced least come first: the order of `CANCELLABLE`.
    """
    for line_id, quantity in units.items():
        left = quantity
        parts = [p for p in snapshot.parts if p.line_id == line_id and p.status in CANCELLABLE]
        for part in sorted(parts, key=lambda p: CANCELLABLE.index(p.status)):
            own = fulfillment_id is None or part.fulfillment_id == fulfillment_id
            if own and (taken := min(left, part.quantity)) > 0:
                left -= taken
                yield msgspec.structs.replace(part, quantity=taken)


def _units_by_fulfillment(parts: Sequence[FulfillmentPart]) -> dict[UUID, dict[UUID, int]]:
    units: dict[UUID, dict[UUID, int]] = {}
    for part in parts:
        units.setdefault(part.fulfillment_id, {})[part.line_id] = part.quantity
    return units


async def _refund(
    session: Session, snapshot: OrderSnapshot, units: Mapping[UUID, int], *, whole: bool, actor: str, at_till: bool
) -> None:
    """Refund the price of the units. If the whole order is cancelled: all that was paid, and release its coupons."""
    amount = snapshot.price(units).total_minor
    if whole:
        amount = await payments.paid_minor(session, snapshot.order.id)
        await redemptions.reverse(session, order_id=snapshot.order.id)
    await payments.refund(session, snapshot.order, amount, reason=PaymentReason.CANCELLED, actor=actor, at_till=at_till)


async def _release_stock(
    session: Session, snapshot: OrderSnapshot, parts: Sequence[FulfillmentPart], *, actor: str
) -> None:
    """Release the units where they were committed, and fill back-orders with them."""
    variant_ids = snapshot.variant_ids()
    released: Counter[tuple[int, int]] = Counter()
    for part in parts:
        if part.status in PROMISED:
            released[variant_ids[part.line_id], part.location_id] += part.quantity
    movements = [
        Movement(
            variant_id=variant_id,
            location_id=location_id,
            reason=StockReason.RELEASE,
            quantity=units,
            committed=-units,
        )
        for (variant_id, location_id), units in sorted(released.items())
    ]
    if movements:
        levels = await ledger.post(session, movements, reference=f"order:{snapshot.order.id}", actor=actor)
        await backorders.fill(session, levels, actor=actor)
