"""Pickups: goods that nobody fetched go back on the shelf, and their money to the customer."""

from __future__ import annotations

from uuid import UUID

from uriba.core.actor import SYSTEM, Actor, Role
from uriba.db import Session
from uriba.fulfillment import order_snapshot
from uriba.fulfillment.lifecycle import cancellation
from uriba.fulfillment.models import FulfillmentStatus

EXPIRED = "PICKUP_EXPIRED"
"""Why a pickup that was ready is cancelled."""


async def overdue(session: Session, *, limit: int = 100) -> list[tuple[UUID, UUID]]:
    """Pickups whose term is over, with their orders."""
    rows = await session.fetch(
        "SELECT id, order_id FROM fulfillment WHERE status = 'READY_FOR_PICKUP' AND hold_until <= now() "
        "ORDER BY hold_until LIMIT $1",
        limit,
    )
    return [(row["id"], row["order_id"]) for row in rows]


async def expire(session: Session, fulfillment_id: UUID, order_id: UUID) -> bool:
    """Put back a pickup that is overdue; False where it was fetched meanwhile."""
    book = await order_snapshot.lock(session, order_id, actor=SYSTEM, path="orderId")
    still = await session.fetchval(
        "SELECT true FROM fulfillment WHERE id = $1 AND hold_until <= now() AND status = $2",
        fulfillment_id,
        FulfillmentStatus.READY_FOR_PICKUP,
    )
    units = {p.line_id: p.quantity for p in book.pieces if p.fulfillment_id == fulfillment_id}
    if still:
        await cancellation.cancel(session, book, units, reason=EXPIRED, actor=SYSTEM.label, only=fulfillment_id)
    return bool(still)


def visible_pickup_code(code: str | None, *, actor: Actor) -> str | None:
    """Return a pickup's code, or None for tills and staff: at the counter the customer has to name it."""
    return None if actor.role in (Role.TERMINAL, Role.STAFF) else code
