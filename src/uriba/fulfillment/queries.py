"""Reads of fulfillments, batched."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.core.actor import Actor
from uriba.db import Row, Session
from uriba.fulfillment.models import PROMISED

COLUMNS = """
    f.id, f.order_id, f.location_id, f.method, f.status, f.tracking, f.reason, f.pickup_code, f.ready_by, f.hold_until,
    f.sourcing
"""


async def work_queue(
    session: Session,
    *,
    location_id: int,
    statuses: Sequence[str],
    first: int,
    after: UUID | None,
) -> list[Row]:
    """A location's fulfillments that are to be worked on, the oldest promise first, one more than asked for."""
    return await session.fetch(
        f"SELECT {COLUMNS} FROM fulfillment f JOIN orders o ON o.id = f.order_id "
        "WHERE f.location_id = $1 AND f.status = ANY($2) AND ($3::uuid IS NULL OR (o.placed_at, f.id) > ("
        "SELECT p.placed_at, a.id FROM fulfillment a JOIN orders p ON p.id = a.order_id WHERE a.id = $3)) "
        "ORDER BY o.placed_at, f.id LIMIT $4",
        location_id,
        statuses,
        after,
        first + 1,
    )


async def by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = {order_id: [] for order_id in order_ids}
    rows = await session.fetch(
        f"SELECT {COLUMNS} FROM fulfillment f WHERE f.order_id = ANY($1) ORDER BY f.order_id, f.id",
        order_ids,
    )
    for row in rows:
        found[row["order_id"]].append(row)
    return found


async def by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, Row]:
    rows = await session.fetch(
        f"SELECT {COLUMNS} FROM fulfillment f JOIN orders o ON o.id = f.order_id "
        "WHERE f.id = ANY($1) AND (o.customer_id = $2 OR $3)",
        ids,
        actor.customer_id,
        actor.works_here,
    )
    return {row["id"]: row for row in rows}


async def lines_by_fulfillment(session: Session, fulfillment_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
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


async def promises_by_level(
    session: Session, keys: Sequence[tuple[int, int]], *, rows_max: int
) -> dict[tuple[int, int], list[Row]]:
    """The open fulfillments that (variant, location) are committed to, the oldest `rows_max`.

    Each with its order's number, the units, when that order was placed (`at`), and how many there are (`total`).
    """
    found: dict[tuple[int, int], list[Row]] = {key: [] for key in keys}
    rows = await session.fetch(
        _PROMISES, [variant_id for variant_id, _ in keys], [location_id for _, location_id in keys], rows_max
    )
    for row in rows:
        found[row["variant_id"], row["location_id"]].append(row)
    return found


# The states are written out: the index of open fulfillments is for these and for no parameter.
_PROMISES = f"""
    SELECT * FROM (
        SELECT k.variant_id, k.location_id, f.id, o.number, sum(fl.quantity)::bigint AS quantity, o.placed_at AS at,
            count(*) OVER w AS total, row_number() OVER (w ORDER BY f.id) AS n
        FROM unnest($1::bigint[], $2::bigint[]) AS k(variant_id, location_id)
        JOIN fulfillment f ON f.location_id = k.location_id AND f.status IN ({", ".join(f"'{s}'" for s in PROMISED)})
        JOIN fulfillment_line fl ON fl.fulfillment_id = f.id
        JOIN order_line l ON l.id = fl.order_line_id AND l.variant_id = k.variant_id
        JOIN orders o ON o.id = f.order_id
        GROUP BY k.variant_id, k.location_id, f.id, o.number, o.placed_at
        WINDOW w AS (PARTITION BY k.variant_id, k.location_id)
    ) promised WHERE n <= $3 ORDER BY variant_id, location_id, n
"""
