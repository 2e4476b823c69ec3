"""Readers of the feed: how far each key has read it, by the cursors that it asked after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from uriba.core.actor import Actor
from uriba.db import Session
from uriba.db.statements import statement

READERS_MAX = 500
"""Readers that are returned: those that read most recently."""

RECORDED_EVERY_S = 1
"""A key's position is written at most this often."""


@dataclass(frozen=True, slots=True)
class ReaderLag:
    """How far a key has read. `acknowledged`: the last position that it asked after. `expired`: the feed has deleted
    events that come after it. `lag_s`: the age of the first event that comes after it."""

    key_id: str
    name: str | None
    channel_id: int | None
    at: datetime
    acknowledged: int
    expired: bool
    lag_events: int
    lag_s: float


async def record_position(session: Session, *, actor: Actor, position: int | None) -> None:
    """Record that a key has read the feed up to the position that it asks after.

    Positions only grow. A second call within a second writes nothing. Without a key or a position there is nothing to
    record.
    """
    if position is not None and actor.key_id is not None:
        await session.run(_RECORD, key_id=actor.key_id, position=position, every_s=RECORDED_EVERY_S)


_RECORD = statement("""
    INSERT INTO feed_reader AS r (key_id, position) SELECT :key_id, :position
    WHERE NOT EXISTS (
        SELECT FROM feed_reader WHERE key_id = :key_id AND at > now() - make_interval(secs => :every_s)
    )
    ON CONFLICT (key_id) DO UPDATE SET position = greatest(r.position, excluded.position), at = excluded.at
    WHERE r.at <= now() - make_interval(secs => :every_s)
""")


async def readers(session: Session, *, channel_id: int | None) -> list[ReaderLag]:
    """Return the readers with a valid key, of one channel or of all, those that read most recently first."""
    return [ReaderLag(**row) for row in await session.fetch(_READERS, channel_id=channel_id, limit=READERS_MAX)]


_READERS = statement("""
    SELECT r.key_id, k.name, k.channel_id, r.at, r.position AS acknowledged, r.position < f.forgotten AS expired,
        greatest(0, f.position - r.position) AS lag_events, greatest(0, extract(epoch FROM now() - (
            SELECT e.at FROM outbox_event e WHERE e.position > r.position ORDER BY e.position LIMIT 1
        )))::float8 AS lag_s
    FROM feed_reader r JOIN access_key k ON k.id = r.key_id CROSS JOIN feed f
    WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
        AND (:channel_id::bigint IS NULL OR k.channel_id = :channel_id)
    ORDER BY r.at DESC LIMIT :limit
""")
