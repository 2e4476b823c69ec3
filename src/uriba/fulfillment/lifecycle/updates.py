"""Updates: how far a fulfillment is, as the people who handle the goods say. Stock and money move with the goods."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.core import text
from uriba.core.actor import Actor, Role
from uriba.core.errors import Invalid, NotFound
from uriba.db import Session
from uriba.fulfillment import order_snapshot
from uriba.fulfillment.allocation import reallocate, rejections, split
from uriba.fulfillment.lifecycle import cancellation, closing, transitions
from uriba.fulfillment.lifecycle.transitions import DEPARTED
from uriba.fulfillment.models import FulfillmentStatus
from uriba.fulfillment.order_snapshot import FulfillmentPart, OrderSnapshot
from uriba.inventory import ledger
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason
from uriba.orders import payments

CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_SIZE = 6
"""A pickup code is read out at a counter; it is asked for together with the fulfillment, so it need not be long."""


@dataclass(frozen=True, slots=True)
class FulfillmentUpdate:
    """What people say of a fulfillment; `units` of its lines, by order line, where it is not about all of it."""

    fulfillment_id: UUID
    status: FulfillmentStatus
    tracking: str | None = None
    reason: str | None = None
    code: str | None = None
    units: Mapping[UUID, int] | None = None


async def apply(session: Session, said: FulfillmentUpdate, *, actor: Actor) -> tuple[UUID, UUID]:
    """Move a fulfillment on, or a part of it, which is one of its own then; the ids of fulfillment and order.

    What it is already, it stays: saying it again changes nothing.

    Errors: `NotFound`, `InvalidState` with the moves that are legal, `InvalidQuantity`, `Invalid` (code, tracking).
    """
    book, pieces = await _find(session, said, actor)
    method, status = pieces[0].method, pieces[0].status
    tracking = text.optional_text(said.tracking, "tracking")
    reason = text.optional_text(said.reason, "reason")
    if said.status is status:
        await _track(session, said.fulfillment_id, tracking)
        return said.fulfillment_id, book.order["id"]
    transitions.check_transition(method, status, said.status)
    if tracking and said.status is not FulfillmentStatus.SHIPPED:
        raise Invalid("Only what is shipped has tracking.", "tracking")
    if said.status is FulfillmentStatus.HANDED_OVER:
        await _check_code(session, said)
    units = split.requested_units(pieces, said.units)
    if said.status is FulfillmentStatus.CANCELLED:
        till = actor.role is Role.TERMINAL
        await cancellation.cancel(
            session, book, units, reason=reason, actor=actor.label, at_till=till, only=said.fulfillment_id
        )
        return said.fulfillment_id, book.order["id"]
    part_id = await split.split_off(session, said.fulfillment_id, pieces, units)
    parts = [_with(piece, units[piece.line_id], part_id) for piece in pieces if piece.line_id in units]
    if said.status is FulfillmentStatus.REJECTED:
        await rejections.reject(session, book, part_id, parts, reason=reason, actor=actor.label)
    else:
        await _advance(session, book, part_id, parts, said.status, tracking, reason, actor.label)
    return part_id, book.order["id"]


async def _find(session: Session, said: FulfillmentUpdate, actor: Actor) -> tuple[OrderSnapshot, list[FulfillmentPart]]:
    """The fulfillment, its order locked. A terminal handles its own location's only."""
    order_id = await session.fetchval("SELECT order_id FROM fulfillment WHERE id = $1", said.fulfillment_id)
    if order_id is None:
        raise NotFound("There is no such fulfillment.", "fulfillmentId")
    book = await order_snapshot.lock(session, order_id, actor=actor, path="fulfillmentId", own_place=False)
    pieces = [piece for piece in book.pieces if piece.fulfillment_id == said.fulfillment_id]
    if actor.role is Role.TERMINAL and pieces[0].location_id != actor.location_id:
        raise NotFound("There is no such fulfillment.", "fulfillmentId")
    return book, pieces


def _with(piece: FulfillmentPart, quantity: int, part_id: UUID) -> FulfillmentPart:
    return FulfillmentPart(
        fulfillment_id=part_id,
        line_id=piece.line_id,
        quantity=quantity,
        status=piece.status,
        method=piece.method,
        location_id=piece.location_id,
    )


async def _track(session: Session, fulfillment_id: UUID, tracking: str | None) -> None:
    """A tracking number that is known later."""
    if tracking is not None:
        await session.run("UPDATE fulfillment SET tracking = $2 WHERE id = $1", fulfillment_id, tracking)


async def _check_code(session: Session, said: FulfillmentUpdate) -> None:
    """Whoever asks for the customer's code gets the goods for that code only."""
    if said.code is None:
        return
    right = await session.fetchval("SELECT pickup_code FROM fulfillment WHERE id = $1", said.fulfillment_id)
    if right is None or not secrets.compare_digest(said.code.strip().upper().encode(), right.encode()):
        raise Invalid("This is not the code of this pickup.", "code")


async def _advance(
    session: Session,
    book: OrderSnapshot,
    part_id: UUID,
    parts: Sequence[FulfillmentPart],
    status: FulfillmentStatus,
    tracking: str | None,
    reason: str | None,
    actor: str,
) -> None:
    code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_SIZE))
    await session.run(_ADVANCE, part_id, status, tracking, reason, code)
    await reallocate.tell(session, [part_id], reason=reason, actor=actor)
    leaves = status in DEPARTED and parts[0].status not in DEPARTED
    if leaves and book.order["payment_status"] == "AUTHORIZED":
        units = {part.line_id: part.quantity for part in parts}
        await payments.capture(session, book.order, leave_minor=book.still_to_leave(units), actor=actor)
    await closing.end(session, book.order["id"], actor=actor)
    if leaves:
        await ledger.post(session, _leaving(book, parts), reference=f"order:{book.order['id']}", actor=actor)


_ADVANCE = """
    UPDATE fulfillment f SET status = $2, tracking = coalesce($3, f.tracking), reason = coalesce($4, f.reason),
        changed_at = now(),
        pickup_code = CASE WHEN $2 = 'READY_FOR_PICKUP' THEN coalesce(f.pickup_code, $5) ELSE f.pickup_code END,
        hold_until = CASE WHEN $2 = 'READY_FOR_PICKUP'
            THEN now() + make_interval(days => p.pickup_hold_days::int) ELSE f.hold_until END
    FROM location p WHERE f.id = $1 AND p.id = f.location_id
"""


def _leaving(book: OrderSnapshot, parts: Sequence[FulfillmentPart]) -> list[Movement]:
    variants = {line.id: line.variant_id for line in book.lines}
    return [
        Movement(
            variant_id=variants[part.line_id],
            location_id=part.location_id,
            reason=StockReason.SALE,
            quantity=part.quantity,
            on_hand=-part.quantity,
            committed=-part.quantity,
        )
        for part in parts
    ]
