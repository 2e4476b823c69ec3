"""Lifecycle: an order is open while goods are to be handed over, then completed; or cancelled, if none ever were."""

from __future__ import annotations

from uuid import UUID

from uriba.db import Session
from uriba.orders import timeline
from uriba.orders.events import OrderCancelled, OrderCompleted
from uriba.orders.models import OrderStatus
from uriba.orders.timeline import TimelineEntry


async def close(session: Session, order_id: UUID, *, actor: str, reason: str | None = None) -> None:
    """Have a locked order end, of which nothing is to be handed over any more; as completed or cancelled."""
    row = await session.fetchrow(_CLOSE, order_id)
    if row is None:
        return
    status = OrderStatus(row["status"])
    kind = OrderCompleted if status is OrderStatus.COMPLETED else OrderCancelled
    data = {"status": status, "cart": str(row["cart_id"]) if row["cart_id"] else None}
    if reason is not None:
        data["reason"] = reason
    await timeline.record(session, [TimelineEntry(order_id, kind, data)], actor=actor)


_CLOSE = """
    UPDATE orders o SET status = CASE WHEN EXISTS (
            SELECT FROM order_line l WHERE l.order_id = o.id AND l.cancelled_quantity < l.quantity
        ) THEN 'COMPLETED' ELSE 'CANCELLED' END
    WHERE o.id = $1 AND o.status = 'OPEN' RETURNING o.status, o.cart_id
"""
