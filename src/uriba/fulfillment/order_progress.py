"""Effects of fulfillment changes on their orders: lines of the timeline, and the end of the order."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.fulfillment.events import FulfillmentUpdated
from uriba.fulfillment.lifecycle.transitions import ENDED
from uriba.orders import lifecycle, timeline
from uriba.orders.timeline import TimelineEntry


async def record_updates(session: Session, fulfillment_ids: Sequence[UUID], *, reason: str | None, actor: str) -> None:
    """Write the state of each of these fulfillments to its order's timeline: location, status and units."""
    rows = await session.fetch(_STATES, ids=fulfillment_ids)
    await timeline.record(session, [_timeline_entry(row, reason) for row in rows], actor=actor)


_STATES = statement("""
    SELECT f.id, f.order_id, f.status, f.method, f.tracking, f.hold_until, p.code, (
        SELECT sum(quantity) FROM fulfillment_line fl WHERE fl.fulfillment_id = f.id
    )::bigint AS units
    FROM unnest(:ids::uuid[]) WITH ORDINALITY AS k(id, n) JOIN fulfillment f USING (id)
    JOIN location p ON p.id = f.location_id ORDER BY k.n
""")


def _timeline_entry(row: Row, reason: str | None) -> TimelineEntry:
    data = {
        "fulfillment": str(row["id"]),
        "status": row["status"],
        "location": row["code"],
        "method": row["method"],
        "units": row["units"],
        "reason": reason,
    }
    if row["tracking"]:
        data["tracking"] = row["tracking"]
    if row["status"] == FulfillmentStatus.READY_FOR_PICKUP and row["hold_until"]:
        data["holdUntil"] = row["hold_until"].isoformat()
    return TimelineEntry(row["order_id"], FulfillmentUpdated, data)


async def close_if_ended(session: Session, order_id: UUID, *, actor: str, reason: str | None = None) -> None:
    """Close a locked order if all of its fulfillments have ended."""
    if not await session.fetchval(_HAS_OPEN, order_id=order_id, ended=list(ENDED)):
        await lifecycle.close(session, order_id, actor=actor, reason=reason)


_HAS_OPEN = statement("""
    SELECT EXISTS (SELECT FROM fulfillment WHERE order_id = :order_id AND status <> ALL(:ended))
""")
