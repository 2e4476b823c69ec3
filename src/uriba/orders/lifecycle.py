"""The end of an order: it is OPEN while units are to be handed over, then COMPLETED, or CANCELLED if no unit ever was.

Units of its lines are counted here when they are cancelled or returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from uriba.db import Session
from uriba.db.statements import statement
from uriba.orders import timeline
from uriba.orders.enums import OrderStatus
from uriba.orders.events import OrderCancelled, OrderCompleted
from uriba.orders.timeline import TimelineEntry


async def close(session: Session, order_id: UUID, *, actor: str, reason: str | None = None) -> None:
    """Close a locked order of which no unit is to be handed over any more. An order that is closed stays as it is."""
    row = await session.fetchrow(_CLOSE, order_id=order_id)
    if row is None:
        return
    status = OrderStatus(row["status"])
    event = OrderCompleted if status is OrderStatus.COMPLETED else OrderCancelled
    data = {"status": status, "cart": str(row["cart_id"]) if row["cart_id"] else None}
    if reason is not None:
        data["reason"] = reason
    await timeline.record(session, [TimelineEntry(order_id, event, data)], actor=actor)


_CLOSE = statement("""
    UPDATE orders o SET status = CASE WHEN EXISTS (
            SELECT FROM order_line l WHERE l.order_id = o.id AND l.cancelled_quantity < l.quantity
        ) THEN 'COMPLETED' ELSE 'CANCELLED' END
    WHERE o.id = :order_id AND o.status = 'OPEN' RETURNING o.status, o.cart_id
""")


async def count_cancelled(session: Session, units: Mapping[UUID, int]) -> None:
    """Add units, by order line, to the cancelled ones. The caller has locked the order."""
    await session.run(_COUNT_CANCELLED, line_ids=list(units), units=list(units.values()))


_COUNT_CANCELLED = statement("""
    UPDATE order_line l SET cancelled_quantity = cancelled_quantity + u.units
    FROM unnest(:line_ids::uuid[], :units::bigint[]) AS u(id, units) WHERE l.id = u.id
""")


def count_returned(session: Session, units: Mapping[UUID, int]) -> None:
    """Defer adding units, by order line, to the returned ones. The caller has locked the order."""
    session.defer(_COUNT_RETURNED, line_ids=list(units), units=list(units.values()))


_COUNT_RETURNED = statement("""
    UPDATE order_line l SET returned_quantity = returned_quantity + u.units
    FROM unnest(:line_ids::uuid[], :units::bigint[]) AS u(id, units) WHERE l.id = u.id
""")
