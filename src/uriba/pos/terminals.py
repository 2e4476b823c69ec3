"""Terminals: each till that syncs, how far its clock is off, and which of its events the hub has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from uriba.core.actor import Actor
from uriba.db import Row, Session
from uriba.db.statements import statement

SKEW_TOLERANCE = timedelta(minutes=2)
"""A clock that is off by no more than this is not corrected."""

SAME_SKEW_MS = 30_000
"""Measured skews that differ by no more are the same wrong clock: network delays must not reorder facts."""

GAPS_MAX = 1_000
"""Gaps in one answer."""

EARLIEST, LATEST = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
"""The first and the last time that the hub stores. Times beyond them are replaced by these, and their facts kept."""


@dataclass(frozen=True, slots=True)
class SyncContext:
    """A terminal during one sync.

    received_at: the hub's time. skew: how far the till's clock is ahead, 0 within the tolerance. acknowledged: the hub
    has all sequences of the epoch up to this one. missing: the gaps below the highest sequence, first and last.
    """

    id: int
    key_id: str
    location_id: int
    channel_id: int | None
    epoch: int
    received_at: datetime
    skew: timedelta
    version: int
    acknowledged: int
    missing: Sequence[tuple[int, int]]

    @property
    def skew_ms(self) -> int:
        return round(self.skew.total_seconds() * 1000)

    def movement_reference(self, sequence: int) -> str:
        """Return the reference of a fact's movements. References sort by (terminal, epoch, sequence)."""
        return movement_reference(self.key_id, self.epoch, sequence)

    def correct(self, occurred_at: datetime) -> datetime:
        """Return a time of the till's clock as one of the hub's clock, the present at the latest."""
        return min(self._by_hub_clock(occurred_at), self.received_at)

    def is_in_future(self, occurred_at: datetime) -> bool:
        """Tell whether a time of the till's clock is later than now, by more than the tolerance."""
        return self._by_hub_clock(occurred_at) > self.received_at + SKEW_TOLERANCE

    def _by_hub_clock(self, occurred_at: datetime) -> datetime:
        try:
            return max(EARLIEST, clamp_to_calendar(occurred_at) - self.skew)
        except OverflowError:
            return EARLIEST if self.skew > timedelta(0) else LATEST


def clamp_to_calendar(moment: datetime) -> datetime:
    """Return the moment in UTC, or the nearest one that the hub stores."""
    return EARLIEST if moment < EARLIEST else LATEST if moment > LATEST else moment.astimezone(UTC)


def movement_reference(key_id: str, epoch: int, sequence: int) -> str:
    return f"pos:{key_id}:{epoch:010}:{sequence:010}"


async def open_sync(
    session: Session, *, actor: Actor, sent_at: datetime, epoch: int, sequences: Sequence[int]
) -> SyncContext:
    """Lock the till's row until the commit, measure its clock, and record the sequences of this batch.

    Because of the lock, the batches of one till are processed one after the other.
    """
    row = await session.fetchrow(
        _OPEN_SYNC,
        key_id=actor.key_id,
        location_id=actor.location_id,
        sent_at=clamp_to_calendar(sent_at),
        epoch=epoch,
        sequences=sequences,
        tolerance_ms=int(SKEW_TOLERANCE.total_seconds() * 1000),
        same_skew_ms=SAME_SKEW_MS,
        gaps_max=GAPS_MAX,
    )
    assert row is not None
    return _sync_context(row, actor, epoch)


def _sync_context(row: Mapping[str, Any], actor: Actor, epoch: int) -> SyncContext:
    assert actor.key_id is not None and actor.location_id is not None
    return SyncContext(
        id=row["id"],
        key_id=actor.key_id,
        location_id=actor.location_id,
        channel_id=actor.channel_id,
        epoch=epoch,
        received_at=row["synced_at"],
        skew=timedelta(milliseconds=row["skew_ms"]),
        version=row["version"],
        acknowledged=row["acknowledged"] or 0,
        missing=[(low, high) for low, high in row["missing"] or ()],
    )


_OPEN_SYNC = statement("""
    WITH till AS (
        INSERT INTO pos_terminal AS t (key_id, location_id, skew_ms, synced_at)
        SELECT :key_id, :location_id, CASE WHEN abs(m.skew_ms) > :tolerance_ms THEN m.skew_ms ELSE 0 END, m.moment
        FROM (SELECT clock_timestamp() AS moment,
            (extract(epoch FROM :sent_at::timestamptz - clock_timestamp()) * 1000)::bigint AS skew_ms) m
        ON CONFLICT (key_id) DO UPDATE SET synced_at = clock_timestamp(), skew_ms = CASE
            WHEN t.skew_ms <> 0
                AND abs(extract(epoch FROM :sent_at - clock_timestamp()) * 1000 - t.skew_ms) <= :same_skew_ms
                THEN t.skew_ms
            ELSE excluded.skew_ms END
        RETURNING t.id, t.skew_ms, t.version, t.synced_at
    ), epoch AS (
        INSERT INTO pos_epoch AS e (terminal_id, epoch, seen)
        SELECT till.id, :epoch, coalesce(
            (SELECT range_agg(int8range(s, s, '[]')) FROM unnest(:sequences::bigint[]) s), '{}')
        FROM till ON CONFLICT (terminal_id, epoch) DO UPDATE SET seen = e.seen + excluded.seen
        RETURNING e.seen
    )
    SELECT till.*, (SELECT upper(r) - 1 FROM unnest(epoch.seen) r WHERE lower(r) = 1) AS acknowledged,
        (SELECT json_agg(json_build_array(lower(r), upper(r) - 1)) FROM (
            SELECT r FROM unnest(int8multirange(int8range(1, upper(epoch.seen))) - epoch.seen) r LIMIT :gaps_max
        ) gaps WHERE NOT isempty(epoch.seen)) AS missing
    FROM till, epoch
""")


async def by_key_id(session: Session, key_id: str) -> Row:
    """Return the terminal (id, location_id, version) of a key that has synced before."""
    row = await session.fetchrow(_BY_KEY_ID, key_id=key_id)
    assert row is not None
    return row


_BY_KEY_ID = statement("SELECT id, location_id, version FROM pos_terminal WHERE key_id = :key_id")


def count_event(session: Session, terminal_id: int) -> None:
    """Raise the terminal's version by one, for the event that is emitted about it."""
    session.defer(_COUNT_EVENT, terminal_id=terminal_id)


_COUNT_EVENT = statement("UPDATE pos_terminal SET version = version + 1 WHERE id = :terminal_id")
