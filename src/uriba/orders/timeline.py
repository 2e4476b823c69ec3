"""The timeline of orders: each change of a placed order is a line of its timeline and an event of the feed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from uriba.db import Session
from uriba.db.statements import statement
from uriba.orders.events import OrderEvent, order_subject
from uriba.outbox import emit
from uriba.outbox.payloads import Data


class TimelineEntry(NamedTuple):
    """A change of an order: the class of its event, and the event's data."""

    order_id: UUID
    event: type[OrderEvent]
    data: Data


async def record(session: Session, entries: Sequence[TimelineEntry], *, actor: str) -> None:
    """Write the entries to the timelines of their orders, in this order, and emit their events.

    Locks the orders by id and counts their versions. Events also name the order's cart, so that a guest who holds the
    cart's id can follow the order.
    """
    if not entries:
        return
    counts = Counter(entry.order_id for entry in entries)
    order_ids = sorted(counts)
    rows = await session.fetch(_COUNT, order_ids=order_ids, counts=[counts[order_id] for order_id in order_ids])
    versions = {row["id"]: row["version"] - counts[row["id"]] for row in rows}
    carts = {row["id"]: {"cart": str(row["cart_id"])} if row["cart_id"] else {} for row in rows}
    events = []
    for entry in entries:
        versions[entry.order_id] += 1
        data = {**entry.data, **carts[entry.order_id]}
        events.append(entry.event(order_subject(entry.order_id), versions[entry.order_id], data))
    session.defer(
        _INSERT,
        order_ids=[entry.order_id for entry in entries],
        versions=[event.version for event in events],
        types=[event.type for event in events],
        data=[msgspec.json.encode(entry.data).decode() for entry in entries],
        actor=actor,
    )
    emit(session, *events)


_COUNT = statement("""
    UPDATE orders o SET version = o.version + n.events FROM (
        SELECT l.id, u.events FROM unnest(:order_ids::uuid[], :counts::bigint[]) AS u(id, events) CROSS JOIN LATERAL (
            SELECT id FROM orders WHERE orders.id = u.id FOR UPDATE) l
    ) n WHERE o.id = n.id RETURNING o.id, o.version, o.cart_id
""")

_INSERT = statement("""
    INSERT INTO order_event (order_id, version, type, data, actor)
    SELECT order_id, version, type, data, :actor
    FROM unnest(:order_ids::uuid[], :versions::bigint[], :types::text[], :data::jsonb[])
        AS e(order_id, version, type, data)
""")
