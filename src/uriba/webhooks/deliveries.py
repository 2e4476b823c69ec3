"""The delivery log of endpoints: deliveries, their attempts and responses; replaying and giving up deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.core.actor import Actor
from uriba.core.errors import InvalidState, NotFound
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement
from uriba.webhooks import endpoints
from uriba.webhooks.enums import DeliveryStatus

DELETED_MAX = 10_000
"""Deliveries that are deleted at once."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery. `event`: the event's row, with the keys of the feed's rows."""

    id: int
    position: int
    first_version: int
    status: DeliveryStatus
    attempts: int
    next_at: datetime | None
    response_code: int | None
    problem: str | None
    ended_at: datetime | None
    event: Row


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A failed attempt. `problem`: why no response came; None if one came."""

    at: datetime
    took_ms: int
    response_code: int | None
    problem: str | None


_DELIVERIES = fragment("""
    SELECT d.id AS delivery_id, d.position, d.first_version, d.status, d.attempts, d.next_at, d.response_code,
        d.problem, d.ended_at, d.event_id AS id, d.subject, d.version, e.type, e.data, e.at
    FROM delivery d JOIN endpoint p ON p.id = d.endpoint_id JOIN outbox_event e ON e.id = d.event_id
""")


async def page(
    session: Session, endpoint_id: UUID, *, before: int | None, first: int, status: DeliveryStatus | None = None
) -> list[DeliveryRecord]:
    """Return deliveries before a position, newest first, without those whose event the feed has deleted."""
    rows = await session.fetch(_PAGE, endpoint_id=endpoint_id, before=before, status=status, limit=first)
    return [_delivery(row) for row in rows]


_PAGE = statement(f"""
    {_DELIVERIES} WHERE d.endpoint_id = :endpoint_id AND (:before::bigint IS NULL OR d.position < :before)
        AND (:status::text IS NULL OR d.status = :status)
    ORDER BY d.position DESC LIMIT :limit
""")


async def by_id(session: Session, delivery_id: int, *, actor: Actor) -> DeliveryRecord | None:
    """Return a delivery to an endpoint that the actor may see."""
    row = await session.fetchrow(_BY_ID, delivery_id=delivery_id, only_channel_id=actor.restricted_to_channel)
    return None if row is None else _delivery(row)


_BY_ID = statement(f"""
    {_DELIVERIES} WHERE d.id = :delivery_id
        AND (:only_channel_id::bigint IS NULL OR p.channel_id = :only_channel_id)
""")


def _delivery(row: Row) -> DeliveryRecord:
    return DeliveryRecord(
        id=row["delivery_id"],
        position=row["position"],
        first_version=row["first_version"],
        status=DeliveryStatus(row["status"]),
        attempts=row["attempts"],
        next_at=row["next_at"],
        response_code=row["response_code"],
        problem=row["problem"],
        ended_at=row["ended_at"],
        event=row,
    )


async def replay(session: Session, delivery_id: int, *, actor: Actor) -> DeliveryRecord | None:
    """Send a delivery again, with its id. Errors: `NotFound`; `InvalidState` if the feed no longer has its event."""
    await _end_lease(session, delivery_id, actor)
    if await session.fetchval(_REPLAY, delivery_id=delivery_id) is None:
        raise InvalidState("The feed no longer has this event, or the event is being replayed already.", "id")
    return await by_id(session, delivery_id, actor=actor)


_REPLAY = statement("""
    UPDATE delivery d SET status = 'PENDING', attempts = 0, next_at = NULL, ended_at = NULL
    FROM outbox_event e, endpoint p WHERE d.id = :delivery_id AND e.id = d.event_id AND p.id = d.endpoint_id
        AND d.position <= p.position RETURNING d.id
""")


async def give_up(session: Session, delivery_id: int, *, actor: Actor) -> DeliveryRecord | None:
    """Give up a pending delivery, so that later ones of its subject are sent. It can be replayed.

    Return None if the feed no longer has its event. Errors: `NotFound`; `InvalidState` if it is not pending.
    """
    await _end_lease(session, delivery_id, actor)
    if await session.fetchval(_GIVE_UP, delivery_id=delivery_id) is None:
        raise InvalidState("This delivery is not pending.", "id")
    return await by_id(session, delivery_id, actor=actor)


_GIVE_UP = statement("""
    UPDATE delivery SET status = 'FAILED', next_at = NULL, ended_at = now()
    WHERE id = :delivery_id AND status = 'PENDING' RETURNING id
""")


async def _end_lease(session: Session, delivery_id: int, actor: Actor) -> None:
    """End the lease of the sender that may hold this delivery. Errors: `NotFound`."""
    endpoint_id = await session.fetchval(_ENDPOINT_OF, delivery_id=delivery_id)
    if endpoint_id is None or not await endpoints.end_lease(session, endpoint_id, actor=actor):
        raise NotFound("There is no such delivery.", "id")


_ENDPOINT_OF = statement("SELECT endpoint_id FROM delivery WHERE id = :delivery_id")


async def attempts_by_delivery(session: Session, delivery_ids: Sequence[int]) -> dict[int, list[AttemptRecord]]:
    """Return the failed attempts of deliveries, oldest first."""
    found: dict[int, list[AttemptRecord]] = {delivery_id: [] for delivery_id in delivery_ids}
    for row in await session.fetch(_ATTEMPTS, delivery_ids=list(delivery_ids)):
        attempt = AttemptRecord(row["at"], row["took_ms"], row["response_code"], row["problem"])
        found[row["delivery_id"]].append(attempt)
    return found


_ATTEMPTS = statement("""
    SELECT delivery_id, at, took_ms, response_code, problem FROM delivery_attempt
    WHERE delivery_id = ANY(:delivery_ids) ORDER BY delivery_id, id
""")


async def lag_by_endpoint(session: Session, endpoint_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the age in seconds of the oldest event that each endpoint has not received; 0 if there is none."""
    rows = await session.fetch(_LAG, endpoint_ids=list(endpoint_ids))
    return {row["id"]: max(0, int(row["lag_s"] or 0)) for row in rows}


_LAG = statement("""
    SELECT p.id, extract(epoch FROM now() - least(
        (SELECT d.event_at FROM delivery d WHERE d.endpoint_id = p.id AND d.status = 'PENDING'
            ORDER BY d.position LIMIT 1),
        (SELECT e.at FROM outbox_event e WHERE e.position = (
            SELECT e.position FROM outbox_event e
            WHERE e.position > p.position ORDER BY e.position LIMIT 1))
    ))::bigint AS lag_s
    FROM endpoint p WHERE p.id = ANY(:endpoint_ids)
""")


async def needed_after(session: Session) -> int | None:
    """Return the position after which an endpoint still needs the feed's events; None without endpoints."""
    found = await session.fetchval(_NEEDED_AFTER)
    return None if found is None else int(found)


_NEEDED_AFTER = statement("""
    SELECT least(
        (SELECT min(position) FROM endpoint WHERE deleted_at IS NULL),
        (SELECT min(d.position) - 1 FROM delivery d JOIN endpoint p ON p.id = d.endpoint_id
            WHERE d.status = 'PENDING' AND p.deleted_at IS NULL)
    )
""")


async def delete_ended(session: Session, *, older_than_s: int) -> int:
    """Delete deliveries that ended long ago. Return how many."""
    return len(await session.fetch(_DELETE_ENDED, older_than_s=older_than_s, limit=DELETED_MAX))


_DELETE_ENDED = statement("""
    DELETE FROM delivery WHERE id IN (
        SELECT id FROM delivery WHERE status <> 'PENDING' AND ended_at < now() - make_interval(secs => :older_than_s)
        LIMIT :limit
    ) RETURNING 1
""")
