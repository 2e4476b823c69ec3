"""Updates of a fulfillment's status by those who handle the units. Stock and payments change with the units."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from uriba.core import text
from uriba.core.actor import Actor, Role
from uriba.core.errors import Invalid, NotFound
from uriba.db import Session
from uriba.db.statements import statement
from uriba.fulfillment import order_progress, order_snapshot
from uriba.fulfillment.allocation import rejections, split
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.fulfillment.lifecycle import cancellation, transitions
from uriba.fulfillment.lifecycle.transitions import DEPARTED
from uriba.fulfillment.order_snapshot import FulfillmentPart, OrderSnapshot
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason
from uriba.inventory.ledger import Movement
from uriba.orders import payments
from uriba.orders.enums import PaymentStatus

CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_SIZE = 6
"""Pickup codes are read out at a counter and checked for one fulfillment only, so they can be short."""


@dataclass(frozen=True, slots=True)
class FulfillmentUpdate:
    """A requested update. `units`: by order line, where it is not for all units. `code`: the customer's pickup code."""

    fulfillment_id: UUID
    status: FulfillmentStatus
    tracking: str | None = None
    reason: str | None = None
    code: str | None = None
    units: Mapping[UUID, int] | None = None


async def apply(session: Session, update: FulfillmentUpdate, *, actor: Actor) -> tuple[UUID, UUID]:
    """Apply an update; return the ids of the updated fulfillment and of its order.

    Some units of a fulfillment become a fulfillment of their own first. An update to the present status changes only
    the tracking.

    Errors: `NotFound`, `InvalidState` with the legal transitions, `InvalidQuantity`, `Invalid` (code, tracking).
    """
    snapshot, parts = await _lock(session, update, actor)
    order_id, status = snapshot.order.id, parts[0].status
    tracking = text.optional_text(update.tracking, "tracking")
    reason = text.optional_text(update.reason, "reason")
    if update.status is status:
        if tracking is not None:
            await session.run(_SET_TRACKING, fulfillment_id=update.fulfillment_id, tracking=tracking)
        return update.fulfillment_id, order_id
    transitions.check_transition(parts[0].method, status, update.status)
    if tracking and update.status is not FulfillmentStatus.SHIPPED:
        raise Invalid("Only shipped units have tracking.", "tracking")
    if update.status is FulfillmentStatus.HANDED_OVER:
        await _check_code(session, update)
    units = split.requested_units(parts, update.units)
    if update.status is FulfillmentStatus.CANCELLED:
        await cancellation.cancel(
            session,
            snapshot,
            units,
            reason=reason,
            actor=actor.label,
            at_till=actor.role is Role.TERMINAL,
            fulfillment_id=update.fulfillment_id,
        )
        return update.fulfillment_id, order_id
    updated_id = await split.split_off(session, update.fulfillment_id, parts, units)
    updated = [
        msgspec.structs.replace(part, fulfillment_id=updated_id, quantity=units[part.line_id])
        for part in parts
        if part.line_id in units
    ]
    if update.status is FulfillmentStatus.REJECTED:
        await rejections.reject(session, snapshot, updated, reason=reason, actor=actor.label)
    else:
        await _advance(session, snapshot, updated, update.status, tracking, reason, actor.label)
    return updated_id, order_id


_SET_TRACKING = statement("UPDATE fulfillment SET tracking = :tracking WHERE id = :fulfillment_id")


async def _lock(
    session: Session, update: FulfillmentUpdate, actor: Actor
) -> tuple[OrderSnapshot, list[FulfillmentPart]]:
    """Lock the order of a fulfillment; return its snapshot and the fulfillment's parts.

    A terminal finds only fulfillments of its own location.
    """
    order_id = await session.fetchval(_ORDER_ID, fulfillment_id=update.fulfillment_id)
    if order_id is None:
        raise NotFound("There is no such fulfillment.", "fulfillmentId")
    snapshot = await order_snapshot.lock(session, order_id, actor=actor, path="fulfillmentId", own_location_only=False)
    parts = [part for part in snapshot.parts if part.fulfillment_id == update.fulfillment_id]
    if actor.role is Role.TERMINAL and parts[0].location_id != actor.location_id:
        raise NotFound("There is no such fulfillment.", "fulfillmentId")
    return snapshot, parts


_ORDER_ID = statement("SELECT order_id FROM fulfillment WHERE id = :fulfillment_id")


async def _check_code(session: Session, update: FulfillmentUpdate) -> None:
    """Compare the pickup code, if the caller has asked the customer for it."""
    if update.code is None:
        return
    code = await session.fetchval(_PICKUP_CODE, fulfillment_id=update.fulfillment_id)
    if code is None or not secrets.compare_digest(update.code.strip().upper().encode(), code.encode()):
        raise Invalid("This is not the code of this pickup.", "code")


_PICKUP_CODE = statement("SELECT pickup_code FROM fulfillment WHERE id = :fulfillment_id")


async def _advance(
    session: Session,
    snapshot: OrderSnapshot,
    parts: Sequence[FulfillmentPart],
    status: FulfillmentStatus,
    tracking: str | None,
    reason: str | None,
    actor: str,
) -> None:
    """Set the status of all parts of a fulfillment. When units depart, capture their price and post their sale."""
    order, fulfillment_id = snapshot.order, parts[0].fulfillment_id
    await session.run(
        _SET_STATUS,
        fulfillment_id=fulfillment_id,
        status=status,
        tracking=tracking,
        reason=reason,
        new_code="".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_SIZE)),
    )
    await order_progress.record_updates(session, [fulfillment_id], reason=reason, actor=actor)
    departs = status in DEPARTED and parts[0].status not in DEPARTED
    if departs and order.payment_status == PaymentStatus.AUTHORIZED:
        departing = {part.line_id: part.quantity for part in parts}
        await payments.capture(session, order, leave_minor=snapshot.undeparted_minor(departing), actor=actor)
    await order_progress.close_if_ended(session, order.id, actor=actor)
    if departs:
        await ledger.post(session, _sales(snapshot, parts), reference=f"order:{order.id}", actor=actor)


_SET_STATUS = statement("""
    UPDATE fulfillment f SET status = :status, tracking = coalesce(:tracking, f.tracking),
        reason = coalesce(:reason, f.reason), changed_at = now(),
        pickup_code = CASE WHEN :status = 'READY_FOR_PICKUP' THEN coalesce(f.pickup_code, :new_code)
            ELSE f.pickup_code END,
        hold_until = CASE WHEN :status = 'READY_FOR_PICKUP'
            THEN now() + make_interval(days => p.pickup_hold_days::int) ELSE f.hold_until END
    FROM location p WHERE f.id = :fulfillment_id AND p.id = f.location_id
""")


def _sales(snapshot: OrderSnapshot, parts: Sequence[FulfillmentPart]) -> list[Movement]:
    variant_ids = snapshot.variant_ids()
    return [
        Movement(
            variant_id=variant_ids[part.line_id],
            location_id=part.location_id,
            reason=StockReason.SALE,
            quantity=part.quantity,
            on_hand=-part.quantity,
            committed=-part.quantity,
        )
        for part in parts
    ]
