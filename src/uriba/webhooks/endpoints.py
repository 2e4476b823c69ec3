"""Endpoints: made, rotated, paused, resumed, replayed and deleted by the channel's app or by staff.

Each of these takes the endpoint away from whoever sends for it (`fence`), so that nothing goes out by the old terms
once the change is committed and whoever sends next reads the new ones.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_bytes
from uuid import UUID

from uriba.core.actor import Actor
from uriba.core.errors import InvalidState, LimitExceeded, NotFound
from uriba.core.ids import new_id
from uriba.db import Row, Session
from uriba.outbox import emit, feed
from uriba.webhooks.events import EndpointTested, endpoint_subject

ENDPOINTS_MAX = 50
"""Of one channel, and of staff."""

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105
FREE = "fence = fence + 1, lease_until = NULL"


@dataclass(frozen=True, slots=True)
class Opened:
    """An endpoint, and its new secret, which is shown this once."""

    endpoint: Row
    secret: str


async def create(session: Session, *, url: str, types: Sequence[str] | None, channel_id: int | None) -> Opened:
    """An endpoint that is told of all that happens from now on. `url` was checked.

    Errors: `LimitExceeded`.
    """
    count = await session.fetchval(
        "SELECT count(*) FROM endpoint WHERE deleted_at IS NULL AND channel_id IS NOT DISTINCT FROM $1", channel_id
    )
    if count >= ENDPOINTS_MAX:
        raise LimitExceeded(f"There are {ENDPOINTS_MAX} endpoints already: delete one first.", "input", "url")
    row = await session.fetchrow(
        "INSERT INTO endpoint (id, url, types, channel_id, position) "
        "SELECT $1, $2, $3, $4, position FROM feed RETURNING *",
        new_id(),
        url,
        None if types is None else sorted(set(types)),
        channel_id,
    )
    assert row is not None
    return Opened(row, await _add_secret(session, row["id"]))


async def _add_secret(session: Session, endpoint_id: UUID) -> str:
    """A new secret as Standard Webhooks writes it: `whsec_` and base64 of 32 random bytes."""
    secret = token_bytes(SECRET_BYTES)
    await session.run("INSERT INTO endpoint_secret (endpoint_id, secret) VALUES ($1, $2)", endpoint_id, secret)
    return SECRET_PREFIX + base64.b64encode(secret).decode()


async def rotate(session: Session, endpoint_id: UUID, *, actor: Actor, overlap_s: int) -> Opened:
    """A new secret; the one before signs beside it until the overlap ends. Errors: `NotFound`."""
    row = await _change(session, endpoint_id, actor, FREE)
    await session.run("DELETE FROM endpoint_secret WHERE endpoint_id = $1 AND expires_at IS NOT NULL", endpoint_id)
    await session.run(
        "UPDATE endpoint_secret SET expires_at = now() + make_interval(secs => $2) WHERE endpoint_id = $1",
        endpoint_id,
        overlap_s,
    )
    return Opened(row, await _add_secret(session, endpoint_id))


async def delete(session: Session, endpoint_id: UUID, *, actor: Actor) -> Row:
    """Nothing is sent any more; the log stays for its term. Errors: `NotFound`."""
    row = await _change(session, endpoint_id, actor, f"deleted_at = now(), {FREE}")
    await session.run(
        "UPDATE delivery SET status = 'FAILED', next_at = NULL, ended_at = now() "
        "WHERE endpoint_id = $1 AND status = 'PENDING'",
        endpoint_id,
    )
    return row


async def pause(session: Session, endpoint_id: UUID, *, actor: Actor) -> Row:
    """Nothing is sent until it is resumed; nothing is lost either. Errors: `NotFound`."""
    return await _change(
        session,
        endpoint_id,
        actor,
        f"status = 'PAUSED', paused_at = coalesce(paused_at, now()), "
        f"paused_reason = coalesce(paused_reason, 'ASKED'), {FREE}",
    )


async def resume(session: Session, endpoint_id: UUID, *, actor: Actor) -> Row:
    """Send what waits, with a new turn of tries for what had failed. Errors: `NotFound`."""
    row = await _change(
        session,
        endpoint_id,
        actor,
        f"status = 'ACTIVE', paused_at = NULL, paused_reason = NULL, failures = 0, failing_since = NULL, "
        f"next_at = NULL, {FREE}",
    )
    await session.run(
        "UPDATE delivery SET attempts = 0, next_at = NULL WHERE endpoint_id = $1 AND status = 'PENDING'", endpoint_id
    )
    return row


async def test(session: Session, endpoint_id: UUID, *, actor: Actor) -> Row:
    """Tell this endpoint alone that it is being tested, through the feed like everything else.

    Errors: `NotFound`; `InvalidState` while it is paused.
    """
    row = await _change(session, endpoint_id, actor, "events = events + 1")
    if row["status"] == "PAUSED":
        raise InvalidState("This endpoint is paused: resume it first.", "id")
    emit(session, EndpointTested(endpoint_subject(endpoint_id), row["events"]))
    return row


async def replay(session: Session, endpoint_id: UUID, *, actor: Actor, after: str) -> Row:
    """Send again all that came after a cursor of the feed, with the ids that it had.

    Errors: `NotFound`, `Invalid`, `CursorExpired`.
    """
    position = feed.position_of(after, await feed.kept_range(session))
    row = await _change(session, endpoint_id, actor, f"position = least(position, $2), {FREE}", position)
    # What waits is taken up again in its order, behind what comes before it.
    await session.run(
        "DELETE FROM delivery WHERE endpoint_id = $1 AND position > $2 AND status = 'PENDING'", endpoint_id, position
    )
    return row


async def replay_one(session: Session, delivery_id: int, *, actor: Actor) -> Row:
    """Send one delivery again. Errors: `NotFound`; `InvalidState` where the feed no longer has its event."""
    row = await session.fetchrow("SELECT id, endpoint_id, event_id FROM delivery WHERE id = $1", delivery_id)
    if row is None:
        raise NotFound("There is no such delivery.", "id")
    try:
        await _change(session, row["endpoint_id"], actor, FREE)
    except NotFound:
        raise NotFound("There is no such delivery.", "id") from None
    found = await session.fetchrow(
        "UPDATE delivery d SET status = 'PENDING', attempts = 0, next_at = NULL, ended_at = NULL "
        "FROM outbox_event e, endpoint p WHERE d.id = $1 AND e.id = d.event_id AND p.id = d.endpoint_id "
        "AND d.position <= p.position RETURNING d.*",
        delivery_id,
    )
    if found is None:
        raise InvalidState("The feed no longer has this event, or it is being replayed already.", "id")
    return found


async def give_up(session: Session, delivery_id: int, *, actor: Actor) -> Row:
    """Leave out a delivery that cannot be taken; what comes after it goes on. It can be replayed.

    Errors: `NotFound`; `InvalidState` where it does not wait.
    """
    row = await session.fetchrow("SELECT endpoint_id FROM delivery WHERE id = $1", delivery_id)
    if row is None or not await visible(session, row["endpoint_id"], actor=actor):
        raise NotFound("There is no such delivery.", "id")
    await _change(session, row["endpoint_id"], actor, FREE)
    found = await session.fetchrow(
        "UPDATE delivery SET status = 'FAILED', next_at = NULL, ended_at = now() "
        "WHERE id = $1 AND status = 'PENDING' RETURNING *",
        delivery_id,
    )
    if found is None:
        raise InvalidState("This delivery does not wait.", "id")
    return found


async def _change(session: Session, endpoint_id: UUID, actor: Actor, what: str, *args: object) -> Row:
    """Errors: `NotFound` for what is not the caller's."""
    row = await session.fetchrow(
        f"UPDATE endpoint SET {what} WHERE id = $1 AND deleted_at IS NULL AND {_OWN.format(len(args) + 2)} RETURNING *",
        endpoint_id,
        *args,
        actor.restricted_to_channel,
    )
    if row is None:
        raise NotFound("There is no such endpoint.", "id")
    return row


_OWN = "(${0}::bigint IS NULL OR channel_id = ${0})"


async def visible(session: Session, endpoint_id: UUID, *, actor: Actor) -> Row | None:
    """An endpoint of the caller's; a deleted one is none."""
    return await session.fetchrow(
        f"SELECT * FROM endpoint WHERE id = $1 AND deleted_at IS NULL AND {_OWN.format(2)}",
        endpoint_id,
        actor.restricted_to_channel,
    )


async def all_of(session: Session, *, actor: Actor) -> list[Row]:
    """The caller's endpoints, oldest first."""
    return await session.fetch(
        f"SELECT * FROM endpoint WHERE deleted_at IS NULL AND {_OWN.format(1)} ORDER BY id", actor.restricted_to_channel
    )
