"""The timeline: what happens to orders after they were placed, each a line of theirs and an event for others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from uriba.db import Session
from uriba.orders.events import order_subject
from uriba.outbox import Event, emit


class Told(NamedTuple):
    """What happened to an order: the kind of event and its data."""

    order_id: UUID
    event: type[Event]
    data: Mapping[str, object]


async def record(session: Session, told: Sequence[Told], *, actor: str) -> None:
    """Write what happened to orders, in this order; their rows are locked by id.

    Events name the order's cart too: by it a guest follows the order.
    """
    if not told:
        return
    counted = Counter(one.order_id for one in told)
    rows = await session.fetch(_COUNT, sorted(counted), [counted[order_id] for order_id in sorted(counted)])
    following = {row["id"]: row["version"] - counted[row["id"]] for row in rows}
    carts = {row["id"]: {"cart": str(row["cart_id"])} if row["cart_id"] else {} for row in rows}
    events = []
    for one in told:
        following[one.order_id] += 1
        events.append(
            one.event(order_subject(one.order_id), following[one.order_id], {**one.data, **carts[one.order_id]})
        )
    session.defer(
        "INSERT INTO order_event (order_id, version, type, data, actor) "
        "SELECT order_id, version, type, data, $5 FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::jsonb[]) "
        "AS e(order_id, version, type, data)",
        [one.order_id for one in told],
        [event.version for event in events],
        [event.type for event in events],
        [msgspec.json.encode(one.data).decode() for one in told],
        actor,
    )
    emit(session, *events)


_COUNT = """
    UPDATE orders o SET version = o.version + n.events FROM (
        SELECT l.id, u.events FROM unnest($1::uuid[], $2::bigint[]) AS u(id, events) CROSS JOIN LATERAL (
            SELECT id FROM orders WHERE orders.id = u.id FOR UPDATE) l
    ) n WHERE o.id = n.id RETURNING o.id, o.version, o.cart_id
"""
