"""Parity: what the endpoints of a channel have acknowledged against the book, subject by subject.

The book is the feed. An endpoint differs in a subject while there is an event that it is to be told of and has not
taken: it waits, or the endpoint was not handed it yet, or it was given up and nothing newer was taken since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from uriba.core.actor import Actor
from uriba.db import Row, Session
from uriba.health.sync_health import WANTED


@dataclass(frozen=True, slots=True)
class Parity:
    """How many subjects an endpoint differs in, and some of them, the longest first."""

    endpoint: Row
    count: int
    differences: Sequence[Row]


async def by_endpoint(session: Session, *, actor: Actor, channel_id: int | None, first: int) -> list[Parity]:
    """The caller's endpoints, or those of one channel; `first` differences of each, counted to the last."""
    wanted = actor.restricted_to_channel if channel_id is None else channel_id
    endpoints = await session.fetch(_ENDPOINTS, wanted)
    found: dict[object, list[Row]] = defaultdict(list)
    for row in await session.fetch(_DIFFERENCES, [row["id"] for row in endpoints], first):
        found[row["endpoint_id"]].append(row)
    return [
        Parity(
            endpoint=row,
            count=found[row["id"]][0]["count"] if found[row["id"]] else 0,
            differences=[one for one in found[row["id"]] if one["n"] <= first],
        )
        for row in endpoints
    ]


_ENDPOINTS = """
    SELECT * FROM endpoint WHERE deleted_at IS NULL AND ($1::bigint IS NULL OR channel_id = $1) ORDER BY id
"""

# What an endpoint took beyond its place is to be told again: it does not count. The first row of each endpoint carries
# its count, also where none is to be shown.
_DIFFERENCES = f"""
    WITH missed AS (
        SELECT d.endpoint_id, d.subject, d.version, d.event_at AS at FROM delivery d
        WHERE d.status = 'PENDING' AND d.endpoint_id = ANY($1)
        UNION ALL
        SELECT p.id, e.subject, e.version, e.at FROM endpoint p JOIN outbox_event e ON e.position > p.position
        WHERE p.id = ANY($1) AND {WANTED}
        UNION ALL
        SELECT d.endpoint_id, d.subject, d.version, d.event_at FROM delivery d
        WHERE d.status = 'FAILED' AND d.endpoint_id = ANY($1) AND NOT EXISTS (
            SELECT FROM outbox_event e JOIN delivery l ON l.endpoint_id = d.endpoint_id AND l.position = e.position
            WHERE e.subject = d.subject AND e.version > d.version AND l.status = 'DELIVERED')
    ), differing AS (
        SELECT endpoint_id, subject, max(version) AS version, min(at) AS since FROM missed GROUP BY 1, 2
    ), ranked AS (
        SELECT *, count(*) OVER (PARTITION BY endpoint_id) AS count,
            row_number() OVER (PARTITION BY endpoint_id ORDER BY since, subject) AS n
        FROM differing
    )
    SELECT r.*, (
        SELECT e.version FROM outbox_event e
        JOIN delivery d ON d.endpoint_id = r.endpoint_id AND d.position = e.position
        JOIN endpoint p ON p.id = d.endpoint_id
        WHERE e.subject = r.subject AND d.status = 'DELIVERED' AND d.position <= p.position
        ORDER BY e.version DESC LIMIT 1
    ) AS delivered
    FROM ranked r WHERE r.n <= greatest($2, 1) ORDER BY r.endpoint_id, r.n
"""
