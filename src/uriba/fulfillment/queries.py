"""Reads of fulfillments, batched."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.core.actor import Actor
from uriba.db import Row, Session


async def by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = {order_id: [] for order_id in order_ids}
    rows = await session.fetch(
        "SELECT id, order_id, location_id, method, status, tracking FROM fulfillment WHERE order_id = ANY($1) "
        "ORDER BY order_id, id",
        order_ids,
    )
    for row in rows:
        found[row["order_id"]].append(row)
    return found


async def by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, Row]:
    rows = await session.fetch(
        "SELECT f.id, f.order_id, f.location_id, f.method, f.status, f.tracking FROM fulfillment f "
        "JOIN orders o ON o.id = f.order_id WHERE f.id = ANY($1) AND (o.customer_id = $2 OR $3)",
        ids,
        actor.customer_id,
        actor.works_here,
    )
    return {row["id"]: row for row in rows}


async def lines(session: Session, fulfillment_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = {fulfillment_id: [] for fulfillment_id in fulfillment_ids}
    rows = await session.fetch(
        "SELECT l.fulfillment_id, l.order_line_id, l.quantity FROM fulfillment_line l "
        "JOIN order_line o ON o.id = l.order_line_id WHERE l.fulfillment_id = ANY($1) "
        "ORDER BY l.fulfillment_id, o.position",
        fulfillment_ids,
    )
    for row in rows:
        found[row["fulfillment_id"]].append(row)
    return found
