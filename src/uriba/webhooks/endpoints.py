"""Endpoints: created, changed, replayed and deleted by the channel's app or by staff.

Changes end the lease of the endpoint's sender, so nothing is sent with outdated settings after the commit and the next
sender reads the new ones.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_bytes
from uuid import UUID

from uriba.core.actor import Actor
from uriba.core.errors import InvalidState, LimitExceeded, NotFound
from uriba.core.ids import new_id
from uriba.db import Row, Session
from uriba.db.statements import Statement, fragment, statement
from uriba.outbox import emit, feed
from uriba.webhooks.enums import EndpointStatus
from uriba.webhooks.events import EndpointTested, endpoint_subject

ENDPOINTS_MAX = 50
"""Endpoints of one channel, and endpoints of staff without a channel."""

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """An endpoint. `types`: None for all events. `events`: how many events the endpoint itself is the subject of."""

    id: UUID
    url: str
    types: Sequence[str] | None
    channel_id: int | None
    status: EndpointStatus
    paused_reason: str | None
    failing_since: datetime | None
    delivered_at: datetime | None
    created_at: datetime
    events: int

    @classmethod
    def from_row(cls, row: Row) -> EndpointRecord:
        """Return the endpoint of a row that has at least the columns of these fields."""
        return cls(
            id=row["id"],
            url=row["url"],
            types=row["types"],
            channel_id=row["channel_id"],
            status=EndpointStatus(row["status"]),
            paused_reason=row["paused_reason"],
            failing_since=row["failing_since"],
            delivered_at=row["delivered_at"],
            created_at=row["created_at"],
            events=row["events"],
        )


@dataclass(frozen=True, slots=True)
class EndpointWithSecret:
    """An endpoint with its new secret, which is shown only now."""

    endpoint: EndpointRecord
    secret: str


_COLUMNS = fragment(
    "id, url, types, channel_id, status, paused_reason, failing_since, delivered_at, created_at, events"
)
_VISIBLE = fragment("deleted_at IS NULL AND (:only_channel_id::bigint IS NULL OR channel_id = :only_channel_id)")
_END_LEASE = fragment("fence = fence + 1, lease_until = NULL")


def check_channel(actor: Actor, channel_id: int, *path: str) -> None:
    """Errors: `NotFound` for a channel whose endpoints and connectors the actor may not see."""
    if actor.restricted_to_channel not in (None, channel_id):
        raise NotFound("There is no such channel.", *path)


async def create(
    session: Session, *, url: str, types: Sequence[str] | None, channel_id: int | None
) -> EndpointWithSecret:
    """Create an endpoint for all events from now on. `url` has been checked. Errors: `LimitExceeded`."""
    if await session.fetchval(_COUNT, channel_id=channel_id) >= ENDPOINTS_MAX:
        raise LimitExceeded(f"There are {ENDPOINTS_MAX} endpoints already. Delete one first.", "input", "url")
    row = await session.fetchrow(
        _CREATE,
        endpoint_id=new_id(),
        url=url,
        types=None if types is None else sorted(set(types)),
        channel_id=channel_id,
    )
    assert row is not None
    return EndpointWithSecret(EndpointRecord.from_row(row), await _add_secret(session, row["id"]))


_COUNT = statement(
    "SELECT count(*) FROM endpoint WHERE deleted_at IS NULL AND channel_id IS NOT DISTINCT FROM :channel_id"
)
_CREATE = statement(f"""
    INSERT INTO endpoint (id, url, types, channel_id, position)
    SELECT :endpoint_id, :url, :types, :channel_id, position FROM feed RETURNING {_COLUMNS}
""")


async def _add_secret(session: Session, endpoint_id: UUID) -> str:
    """Add a secret. Return it in the form of Standard Webhooks: `whsec_` and the base64 of 32 random bytes."""
    secret = token_bytes(SECRET_BYTES)
    await session.run(_ADD_SECRET, endpoint_id=endpoint_id, secret=secret)
    return SECRET_PREFIX + base64.b64encode(secret).decode()


_ADD_SECRET = statement("INSERT INTO endpoint_secret (endpoint_id, secret) VALUES (:endpoint_id, :secret)")


async def rotate_secret(session: Session, endpoint_id: UUID, *, actor: Actor, overlap_s: int) -> EndpointWithSecret:
    """Add a new secret; deliveries are signed with the previous one too until the overlap ends. Errors: `NotFound`."""
    endpoint = await _update(session, _END_LEASE_OF, endpoint_id, actor)
    await session.run(_DELETE_EXPIRING_SECRETS, endpoint_id=endpoint_id)
    await session.run(_EXPIRE_SECRET, endpoint_id=endpoint_id, overlap_s=overlap_s)
    return EndpointWithSecret(endpoint, await _add_secret(session, endpoint_id))


_END_LEASE_OF = statement(f"""
    UPDATE endpoint SET {_END_LEASE} WHERE id = :endpoint_id AND {_VISIBLE} RETURNING {_COLUMNS}
""")
_DELETE_EXPIRING_SECRETS = statement(
    "DELETE FROM endpoint_secret WHERE endpoint_id = :endpoint_id AND expires_at IS NOT NULL"
)
_EXPIRE_SECRET = statement("""
    UPDATE endpoint_secret SET expires_at = now() + make_interval(secs => :overlap_s) WHERE endpoint_id = :endpoint_id
""")


async def delete(session: Session, endpoint_id: UUID, *, actor: Actor) -> EndpointRecord:
    """Delete an endpoint: nothing is sent any more, and its delivery log is kept for its term. Errors: `NotFound`."""
    endpoint = await _update(session, _DELETE, endpoint_id, actor)
    await session.run(_FAIL_PENDING, endpoint_id=endpoint_id)
    return endpoint


_DELETE = statement(f"""
    UPDATE endpoint SET deleted_at = now(), {_END_LEASE} WHERE id = :endpoint_id AND {_VISIBLE} RETURNING {_COLUMNS}
""")
_FAIL_PENDING = statement("""
    UPDATE delivery SET status = 'FAILED', next_at = NULL, ended_at = now()
    WHERE endpoint_id = :endpoint_id AND status = 'PENDING'
""")


async def pause(session: Session, endpoint_id: UUID, *, actor: Actor) -> EndpointRecord:
    """Send nothing until the endpoint is resumed; its deliveries are kept. Errors: `NotFound`."""
    return await _update(session, _PAUSE, endpoint_id, actor)


_PAUSE = statement(f"""
    UPDATE endpoint SET status = 'PAUSED', paused_at = coalesce(paused_at, now()),
        paused_reason = coalesce(paused_reason, 'ASKED'), {_END_LEASE}
    WHERE id = :endpoint_id AND {_VISIBLE} RETURNING {_COLUMNS}
""")


async def resume(session: Session, endpoint_id: UUID, *, actor: Actor) -> EndpointRecord:
    """Send pending deliveries again, with all their retries. Errors: `NotFound`."""
    endpoint = await _update(session, _RESUME, endpoint_id, actor)
    await session.run(_RESTART_PENDING, endpoint_id=endpoint_id)
    return endpoint


_RESUME = statement(f"""
    UPDATE endpoint SET status = 'ACTIVE', paused_at = NULL, paused_reason = NULL, failures = 0, failing_since = NULL,
        next_at = NULL, {_END_LEASE}
    WHERE id = :endpoint_id AND {_VISIBLE} RETURNING {_COLUMNS}
""")
_RESTART_PENDING = statement(
    "UPDATE delivery SET attempts = 0, next_at = NULL WHERE endpoint_id = :endpoint_id AND status = 'PENDING'"
)


async def send_test(session: Session, endpoint_id: UUID, *, actor: Actor) -> EndpointRecord:
    """Emit a test event, which only this endpoint receives, through the feed.

    Errors: `NotFound`; `InvalidState` while the endpoint is paused.
    """
    endpoint = await _update(session, _COUNT_EVENT, endpoint_id, actor)
    if endpoint.status is EndpointStatus.PAUSED:
        raise InvalidState("This endpoint is paused. Resume it first.", "id")
    emit(session, EndpointTested(endpoint_subject(endpoint_id), endpoint.events))
    return endpoint


_COUNT_EVENT = statement(f"""
    UPDATE endpoint SET events = events + 1 WHERE id = :endpoint_id AND {_VISIBLE} RETURNING {_COLUMNS}
""")


async def replay(session: Session, endpoint_id: UUID, *, actor: Actor, after: str) -> EndpointRecord:
    """Send all events after a cursor of the feed again, with their ids.

    Errors: `NotFound`, `Invalid`, `CursorExpired`.
    """
    position = feed.position_of(after, await feed.kept_range(session))
    endpoint = await _update(session, _MOVE_BACK, endpoint_id, actor, position=position)
    # Pending deliveries are created again from the feed, in order, behind the replayed ones.
    await session.run(_DELETE_PENDING_AFTER, endpoint_id=endpoint_id, position=position)
    return endpoint


_MOVE_BACK = statement(f"""
    UPDATE endpoint SET position = least(position, :position), {_END_LEASE}
    WHERE id = :endpoint_id AND {_VISIBLE} RETURNING {_COLUMNS}
""")
_DELETE_PENDING_AFTER = statement(
    "DELETE FROM delivery WHERE endpoint_id = :endpoint_id AND position > :position AND status = 'PENDING'"
)


async def end_lease(session: Session, endpoint_id: UUID, *, actor: Actor) -> bool:
    """End the lease of an endpoint's sender, so that it starts anew. Return whether the actor has such an endpoint."""
    params = {"endpoint_id": endpoint_id, "only_channel_id": actor.restricted_to_channel}
    return await session.fetchrow(_END_LEASE_OF, **params) is not None


async def by_id(session: Session, endpoint_id: UUID, *, actor: Actor) -> EndpointRecord | None:
    """Return an endpoint that the actor may see and that is not deleted."""
    row = await session.fetchrow(_BY_ID, endpoint_id=endpoint_id, only_channel_id=actor.restricted_to_channel)
    return None if row is None else EndpointRecord.from_row(row)


_BY_ID = statement(f"SELECT {_COLUMNS} FROM endpoint WHERE id = :endpoint_id AND {_VISIBLE}")


async def all_visible(session: Session, *, actor: Actor) -> list[EndpointRecord]:
    """Return the endpoints that the actor may see, oldest first."""
    return [
        EndpointRecord.from_row(row) for row in await session.fetch(_ALL, only_channel_id=actor.restricted_to_channel)
    ]


_ALL = statement(f"SELECT {_COLUMNS} FROM endpoint WHERE {_VISIBLE} ORDER BY id")


async def _update(
    session: Session, change: Statement, endpoint_id: UUID, actor: Actor, **params: object
) -> EndpointRecord:
    """Run an UPDATE of one endpoint. Errors: `NotFound` if there is none that the actor may see."""
    row = await session.fetchrow(change, endpoint_id=endpoint_id, only_channel_id=actor.restricted_to_channel, **params)
    if row is None:
        raise NotFound("There is no such endpoint.", "id")
    return EndpointRecord.from_row(row)
