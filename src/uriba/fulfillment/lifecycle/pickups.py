"""Pickups that are ready: their code, and their cancellation when nobody collects them in time."""

from __future__ import annotations

from uuid import UUID

from uriba.core.actor import SYSTEM, Actor, Role
from uriba.db import Session
from uriba.db.statements import statement
from uriba.fulfillment import order_snapshot
from uriba.fulfillment.lifecycle import cancellation

PICKUP_EXPIRED = "PICKUP_EXPIRED"
"""The reason of the cancellation."""


async def overdue(session: Session, *, limit: int = 100) -> list[tuple[UUID, UUID]]:
    """Return the fulfillments, with their orders, whose time for pickup is over."""
    rows = await session.fetch(_OVERDUE, limit=limit)
    return [(row["id"], row["order_id"]) for row in rows]


_OVERDUE = statement("""
    SELECT id, order_id FROM fulfillment WHERE status = 'READY_FOR_PICKUP' AND hold_until <= now()
    ORDER BY hold_until LIMIT :limit
""")


async def expire(session: Session, fulfillment_id: UUID, order_id: UUID) -> bool:
    """Cancel a pickup that is overdue; return False where it was collected meanwhile."""
    snapshot = await order_snapshot.lock(session, order_id, actor=SYSTEM, path="orderId")
    if not await session.fetchval(_IS_OVERDUE, fulfillment_id=fulfillment_id):
        return False
    units = {part.line_id: part.quantity for part in snapshot.parts if part.fulfillment_id == fulfillment_id}
    await cancellation.cancel(
        session, snapshot, units, reason=PICKUP_EXPIRED, actor=SYSTEM.label, fulfillment_id=fulfillment_id
    )
    return True


_IS_OVERDUE = statement("""
    SELECT true FROM fulfillment
    WHERE id = :fulfillment_id AND status = 'READY_FOR_PICKUP' AND hold_until <= now()
""")


def visible_pickup_code(code: str | None, *, actor: Actor) -> str | None:
    """Return a pickup's code, or None for tills and staff: at the counter the customer has to name it."""
    return None if actor.role in (Role.TERMINAL, Role.STAFF) else code
