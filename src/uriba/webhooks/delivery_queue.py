"""An endpoint's queue in PostgreSQL: what it has still to be told, and what came of tries.

Every write is fenced: a sender whose lease went to another, or whose endpoint was changed, writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.db import Row, Session


class Lost(Exception):
    """Another holds the lease now, or the endpoint is paused, changed or gone."""


@dataclass(frozen=True, slots=True)
class Held:
    """An endpoint for as long as a lease on it lasts."""

    id: UUID
    fence: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one try of a delivery. `next_at`: when it is tried again; None where it ended or nobody will."""

    delivery_id: int
    at: datetime
    took_s: float
    status: int | None
    problem: str | None
    next_at: datetime | None
    ended: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How an endpoint is doing. `back`: it was down until now, so that all that waits may go at once."""

    status: str
    failures: int
    next_at: datetime | None
    paused_reason: str | None
    back: bool


async def secrets(session: Session, held: Held) -> list[bytes]:
    """What signs now, the newest first."""
    return [row["secret"] for row in await session.fetch(_SECRETS, held.id)]


async def pending(session: Session, held: Held, *, limit: int) -> list[Row]:
    """What waits, with its events, in the feed's order."""
    return await session.fetch(_PENDING, held.id, limit)


async def hand_out(session: Session, held: Held, chosen: Sequence[tuple[Row, int]], *, until: int) -> dict[int, int]:
    """Make deliveries of some of the feed, each with the first version that it stands for; nothing up to `until` is
    left behind. Their ids by position. Errors: `Lost`.
    """
    rows = await session.fetch(
        _HAND_OUT,
        held.id,
        held.fence,
        until,
        [row["position"] for row, _ in chosen],
        [row["id"] for row, _ in chosen],
        [row["subject"] for row, _ in chosen],
        [row["version"] for row, _ in chosen],
        [first for _, first in chosen],
        [row["at"] for row, _ in chosen],
    )
    if not rows:
        raise Lost
    return {row["position"]: row["id"] for row in rows if row["id"] is not None}


async def record(session: Session, held: Held, results: Sequence[Result], standing: Standing) -> None:
    """Write down what came of tries, of each delivery one. Errors: `Lost`."""
    written = await session.fetchval(
        _RECORD,
        held.id,
        held.fence,
        standing.status,
        standing.failures,
        standing.next_at,
        any(result.ended for result in results),
        standing.paused_reason,
        standing.back,
        [result.delivery_id for result in results],
        ["DELIVERED" if result.ended else "PENDING" for result in results],
        [result.next_at for result in results],
        [result.status for result in results],
        [result.problem for result in results],
        [result.at for result in results],
        [round(result.took_s * 1000) for result in results],
    )
    if not written:
        raise Lost


_SECRETS = """
    SELECT secret FROM endpoint_secret
    WHERE endpoint_id = $1 AND (expires_at IS NULL OR expires_at > now()) ORDER BY id DESC
"""

_PENDING = """
    SELECT d.id AS delivery, d.position, d.first_version, d.attempts, d.next_at,
        e.id, e.type, e.subject, e.version, e.at, e.data
    FROM delivery d JOIN outbox_event e ON e.id = d.event_id
    WHERE d.endpoint_id = $1 AND d.status = 'PENDING' ORDER BY d.position LIMIT $2
"""

# A row that is there already ended before: it is being replayed.
_HAND_OUT = """
    WITH moved AS (
        UPDATE endpoint SET position = $3 WHERE id = $1 AND fence = $2 AND deleted_at IS NULL RETURNING id
    ), kept AS (
        INSERT INTO delivery (endpoint_id, position, event_id, subject, version, first_version, event_at)
        SELECT moved.id, u.* FROM moved,
            unnest($4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::timestamptz[]) AS u
        ON CONFLICT (endpoint_id, position) DO UPDATE
        SET status = 'PENDING', attempts = 0, next_at = NULL, ended_at = NULL, first_version = excluded.first_version
        RETURNING id, position
    )
    SELECT kept.id, kept.position FROM moved LEFT JOIN kept ON true
"""

_RECORD = """
    WITH mine AS (
        UPDATE endpoint SET status = $3, failures = $4, next_at = $5,
            failing_since = CASE WHEN $3 = 'ACTIVE' THEN NULL ELSE coalesce(failing_since, now()) END,
            delivered_at = CASE WHEN $6 THEN now() ELSE delivered_at END,
            paused_at = CASE WHEN $3 = 'PAUSED' THEN now() END, paused_reason = $7,
            fence = fence + CASE WHEN $3 = 'PAUSED' THEN 1 ELSE 0 END
        WHERE id = $1 AND fence = $2 AND deleted_at IS NULL RETURNING id
    ), result AS (
        SELECT u.* FROM mine, unnest(
            $9::bigint[], $10::text[], $11::timestamptz[], $12::bigint[], $13::text[], $14::timestamptz[], $15::bigint[]
        ) AS u(id, status, next_at, response_code, problem, at, took_ms)
    ), done AS (
        UPDATE delivery d SET attempts = d.attempts + 1, status = r.status, next_at = r.next_at,
            response_code = r.response_code, problem = r.problem,
            ended_at = CASE WHEN r.status = 'DELIVERED' THEN now() END
        FROM result r WHERE d.id = r.id
    ), logged AS (
        INSERT INTO delivery_attempt (delivery_id, at, took_ms, response_code, problem)
        SELECT id, at, took_ms, response_code, problem FROM result WHERE status = 'PENDING'
    ), freed AS (
        UPDATE delivery d SET next_at = NULL FROM mine
        WHERE $8 AND d.endpoint_id = mine.id AND d.status = 'PENDING' AND d.id <> ALL($9)
    )
    SELECT EXISTS (SELECT FROM mine)
"""
