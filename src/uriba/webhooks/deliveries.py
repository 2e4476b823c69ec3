"""The log of deliveries: what an endpoint was told, how often it was tried, and what it answered."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.core.actor import Actor
from uriba.db import Row, Session

_JOINED = """
    SELECT d.*, e.type, e.data, e.at FROM delivery d JOIN endpoint p ON p.id = d.endpoint_id
    JOIN outbox_event e ON e.id = d.event_id
"""


async def page(
    session: Session, endpoint_id: UUID, *, before: int | None, first: int, status: str | None = None
) -> list[Row]:
    """Deliveries with their events, newest first, as long as the feed has those."""
    return await session.fetch(
        f"{_JOINED} WHERE d.endpoint_id = $1 AND ($2::bigint IS NULL OR d.position < $2) "
        "AND ($4::text IS NULL OR d.status = $4) ORDER BY d.position DESC LIMIT $3",
        endpoint_id,
        before,
        first,
        status,
    )


async def by_id(session: Session, delivery_id: int, *, actor: Actor) -> Row | None:
    """A delivery to an endpoint of the caller's."""
    return await session.fetchrow(
        f"{_JOINED} WHERE d.id = $1 AND ($2::bigint IS NULL OR p.channel_id = $2)",
        delivery_id,
        actor.restricted_to_channel,
    )


async def attempts_by_delivery(session: Session, delivery_ids: Sequence[int]) -> dict[int, list[Row]]:
    """Tries that failed, oldest first."""
    found: dict[int, list[Row]] = {delivery_id: [] for delivery_id in delivery_ids}
    rows = await session.fetch(
        "SELECT delivery_id, at, took_ms, response_code, problem FROM delivery_attempt "
        "WHERE delivery_id = ANY($1) ORDER BY delivery_id, id",
        list(delivery_ids),
    )
    for row in rows:
        found[row["delivery_id"]].append(row)
    return found


async def lag_by_endpoint(session: Session, endpoint_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Seconds since the oldest event that an endpoint has still to be told of happened; 0 where there is none."""
    rows = await session.fetch(_LAG, list(endpoint_ids))
    return {row["id"]: max(0, int(row["lag_s"] or 0)) for row in rows}


_LAG = """
    SELECT p.id, extract(epoch FROM now() - least(
        (SELECT d.event_at FROM delivery d WHERE d.endpoint_id = p.id AND d.status = 'PENDING'
            ORDER BY d.position LIMIT 1),
        (SELECT e.at FROM outbox_event e WHERE e.position = (
            SELECT e.position FROM outbox_event e
            WHERE e.position > p.position ORDER BY e.position LIMIT 1))
    ))::bigint AS lag_s
    FROM endpoint p WHERE p.id = ANY($1)
"""


async def needed_after(session: Session) -> int | None:
    """The feed is kept from here on, because some endpoint has still to be told of it; None where nobody has."""
    found = await session.fetchval(
        """
        SELECT least(
            (SELECT min(position) FROM endpoint WHERE deleted_at IS NULL),
            (SELECT min(d.position) - 1 FROM delivery d JOIN endpoint p ON p.id = d.endpoint_id
                WHERE d.status = 'PENDING' AND p.deleted_at IS NULL)
        )
        """
    )
    return None if found is None else int(found)


async def forget(session: Session, *, older_than_s: int) -> int:
    """Drop the log of what ended long ago. How many."""
    rows = await session.fetch(
        "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE status <> 'PENDING' "
        "AND ended_at < now() - make_interval(secs => $1) LIMIT 10000) RETURNING 1",
        older_than_s,
    )
    return len(rows)
