"""The delivery queue of an endpoint in PostgreSQL: pending deliveries, and the results of their attempts.

Every write is fenced: a sender whose lease went to another, or whose endpoint was changed, writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.webhooks.coalescing import CoalescedEvent
from uriba.webhooks.leases import EndpointLease, LeaseLost


@dataclass(frozen=True, slots=True)
class QueuedDelivery:
    """A pending delivery as it is stored, with its event."""

    id: int
    position: int
    first_version: int
    attempts: int
    next_at: datetime | None
    event: Row


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of one attempt. `status`: the response's; without a response None, and `problem` is the reason.
    `next_at`: when the delivery is sent again; None if it was delivered or has no retry left.
    """

    delivery_id: int
    at: datetime
    took_s: float
    status: int | None
    problem: str | None
    next_at: datetime | None
    delivered: bool


@dataclass(frozen=True, slots=True)
class EndpointState:
    """The state of an endpoint. `recovered`: it was down until now, so all its pending deliveries are due at once."""

    status: str
    failures: int
    next_at: datetime | None
    paused_reason: str | None
    recovered: bool


async def valid_secrets(session: Session, lease: EndpointLease) -> list[bytes]:
    """Return the secrets that sign deliveries now, the newest first."""
    return [row["secret"] for row in await session.fetch(_SECRETS, endpoint_id=lease.endpoint_id)]


_SECRETS = statement("""
    SELECT secret FROM endpoint_secret
    WHERE endpoint_id = :endpoint_id AND (expires_at IS NULL OR expires_at > now()) ORDER BY id DESC
""")


async def pending(session: Session, lease: EndpointLease, *, limit: int) -> list[QueuedDelivery]:
    """Return pending deliveries with their events, in the order of the feed."""
    rows = await session.fetch(_PENDING, endpoint_id=lease.endpoint_id, limit=limit)
    return [
        QueuedDelivery(row["delivery_id"], row["position"], row["first_version"], row["attempts"], row["next_at"], row)
        for row in rows
    ]


_PENDING = statement("""
    SELECT d.id AS delivery_id, d.position, d.first_version, d.attempts, d.next_at,
        e.id, e.type, e.subject, e.version, e.at, e.data
    FROM delivery d JOIN outbox_event e ON e.id = d.event_id
    WHERE d.endpoint_id = :endpoint_id AND d.status = 'PENDING' ORDER BY d.position LIMIT :limit
""")


async def create_deliveries(
    session: Session, lease: EndpointLease, events: Sequence[CoalescedEvent], *, up_to: int
) -> dict[int, int]:
    """Create deliveries of events and move the endpoint's position to `up_to`. Return their ids by position.

    Errors: `LeaseLost`.
    """
    rows = await session.fetch(
        _CREATE,
        endpoint_id=lease.endpoint_id,
        fence=lease.fence,
        up_to=up_to,
        positions=[row["position"] for row, _ in events],
        event_ids=[row["id"] for row, _ in events],
        subjects=[row["subject"] for row, _ in events],
        versions=[row["version"] for row, _ in events],
        first_versions=[first_version for _, first_version in events],
        times=[row["at"] for row, _ in events],
    )
    if not rows:
        raise LeaseLost
    return {row["position"]: row["id"] for row in rows if row["id"] is not None}


# A delivery that exists already has ended: it is being replayed.
_CREATE = statement("""
    WITH moved AS (
        UPDATE endpoint SET position = :up_to
        WHERE id = :endpoint_id AND fence = :fence AND deleted_at IS NULL RETURNING id
    ), created AS (
        INSERT INTO delivery (endpoint_id, position, event_id, subject, version, first_version, event_at)
        SELECT moved.id, event.* FROM moved, unnest(
            :positions::bigint[], :event_ids::bigint[], :subjects::text[], :versions::bigint[],
            :first_versions::bigint[], :times::timestamptz[]
        ) AS event
        ON CONFLICT (endpoint_id, position) DO UPDATE
        SET status = 'PENDING', attempts = 0, next_at = NULL, ended_at = NULL, first_version = excluded.first_version
        RETURNING id, position
    )
    SELECT created.id, created.position FROM moved LEFT JOIN created ON true
""")


async def record_attempts(
    session: Session, lease: EndpointLease, results: Sequence[AttemptResult], state: EndpointState
) -> None:
    """Record the results of attempts, at most one of each delivery, and the endpoint's state. Errors: `LeaseLost`."""
    recorded = await session.fetchval(
        _RECORD,
        endpoint_id=lease.endpoint_id,
        fence=lease.fence,
        endpoint_status=state.status,
        failures=state.failures,
        endpoint_next_at=state.next_at,
        any_delivered=any(result.delivered for result in results),
        paused_reason=state.paused_reason,
        recovered=state.recovered,
        delivery_ids=[result.delivery_id for result in results],
        statuses=["DELIVERED" if result.delivered else "PENDING" for result in results],
        next_times=[result.next_at for result in results],
        response_codes=[result.status for result in results],
        problems=[result.problem for result in results],
        times=[result.at for result in results],
        took_ms=[round(result.took_s * 1000) for result in results],
    )
    if not recorded:
        raise LeaseLost


_RECORD = statement("""
    WITH leased AS (
        UPDATE endpoint SET status = :endpoint_status, failures = :failures, next_at = :endpoint_next_at,
            failing_since = CASE WHEN :endpoint_status = 'ACTIVE' THEN NULL ELSE coalesce(failing_since, now()) END,
            delivered_at = CASE WHEN :any_delivered THEN now() ELSE delivered_at END,
            paused_at = CASE WHEN :endpoint_status = 'PAUSED' THEN now() END, paused_reason = :paused_reason,
            fence = fence + CASE WHEN :endpoint_status = 'PAUSED' THEN 1 ELSE 0 END
        WHERE id = :endpoint_id AND fence = :fence AND deleted_at IS NULL RETURNING id
    ), result AS (
        SELECT r.* FROM leased, unnest(
            :delivery_ids::bigint[], :statuses::text[], :next_times::timestamptz[], :response_codes::bigint[],
            :problems::text[], :times::timestamptz[], :took_ms::bigint[]
        ) AS r(id, status, next_at, response_code, problem, at, took_ms)
    ), updated AS (
        UPDATE delivery d SET attempts = d.attempts + 1, status = r.status, next_at = r.next_at,
            response_code = r.response_code, problem = r.problem,
            ended_at = CASE WHEN r.status = 'DELIVERED' THEN now() END
        FROM result r WHERE d.id = r.id
    ), logged AS (
        INSERT INTO delivery_attempt (delivery_id, at, took_ms, response_code, problem)
        SELECT id, at, took_ms, response_code, problem FROM result WHERE status = 'PENDING'
    ), made_due AS (
        UPDATE delivery d SET next_at = NULL FROM leased
        WHERE :recovered AND d.endpoint_id = leased.id AND d.status = 'PENDING' AND d.id <> ALL(:delivery_ids)
    )
    SELECT EXISTS (SELECT FROM leased)
""")
