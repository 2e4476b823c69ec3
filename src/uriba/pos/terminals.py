"""Tills: who syncs, how far its clock is off, and which of its facts the hub has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from uriba.core.actor import Actor
from uriba.db import Session

TOLERANCE = timedelta(minutes=2)
"""A clock that is off by no more than this is taken at its word."""

SAME_CLOCK_MS = 30_000
"""Measures of a wrong clock that differ by no more are one: a delay of the network must not reorder facts."""

RANGES_MAX = 1_000
"""Gaps that one answer names."""

EARLIEST, LATEST = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
"""The ends of the calendar. A clock that says more is no reason to lose what comes with it."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A till that syncs now. `received_at`: the hub's time; `skew`: how far the till's clock is ahead, 0 where it is
    right. `acknowledged`: every sequence of the epoch up to it is the hub's; `missing`: gaps below the highest."""

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

    def reference(self, sequence: int) -> str:
        """What movements of a fact are known by. Their order is that of (terminal, epoch, sequence)."""
        return reference(self.key_id, self.epoch, sequence)

    def corrected(self, occurred_at: datetime) -> datetime:
        """When it happened, by the hub's clock: never later than now."""
        return min(self._by_our_clock(occurred_at), self.received_at)

    def is_ahead(self, occurred_at: datetime) -> bool:
        """Whether the till says that this is still to come."""
        return self._by_our_clock(occurred_at) > self.received_at + TOLERANCE

    def _by_our_clock(self, occurred_at: datetime) -> datetime:
        try:
            return max(EARLIEST, in_calendar(occurred_at) - self.skew)
        except OverflowError:
            return EARLIEST if self.skew > timedelta(0) else LATEST


def in_calendar(moment: datetime) -> datetime:
    """The moment in UTC, or the end of the calendar that it is beyond."""
    return EARLIEST if moment < EARLIEST else LATEST if moment > LATEST else moment.astimezone(UTC)


def reference(key_id: str, epoch: int, sequence: int) -> str:
    return f"pos:{key_id}:{epoch:010}:{sequence:010}"


async def meet(session: Session, *, actor: Actor, sent_at: datetime, epoch: int, sequences: Sequence[int]) -> Meeting:
    """Have a till wait for its own earlier batch, measure its clock, and note the sequences that come with this one."""
    row = await session.fetchrow(
        _MEET,
        actor.key_id,
        actor.location_id,
        in_calendar(sent_at),
        epoch,
        sequences,
        int(TOLERANCE.total_seconds() * 1000),
        SAME_CLOCK_MS,
        RANGES_MAX,
    )
    assert row is not None
    return _meeting(row, actor, epoch)


def _meeting(row: Mapping[str, Any], actor: Actor, epoch: int) -> Meeting:
    assert actor.key_id is not None and actor.location_id is not None
    return Meeting(
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


# The row of the till is locked from here to the commit: its batches take turns.
_MEET = """
    WITH till AS (
        INSERT INTO pos_terminal AS t (key_id, location_id, skew_ms, synced_at)
        SELECT $1, $2, CASE WHEN abs(m.skew_ms) > $6 THEN m.skew_ms ELSE 0 END, m.moment
        FROM (SELECT clock_timestamp() AS moment,
            (extract(epoch FROM $3::timestamptz - clock_timestamp()) * 1000)::bigint AS skew_ms) m
        ON CONFLICT (key_id) DO UPDATE SET synced_at = clock_timestamp(), skew_ms = CASE
            WHEN t.skew_ms <> 0 AND abs(extract(epoch FROM $3 - clock_timestamp()) * 1000 - t.skew_ms) <= $7
                THEN t.skew_ms
            ELSE excluded.skew_ms END
        RETURNING t.id, t.skew_ms, t.version, t.synced_at
    ), epoch AS (
        INSERT INTO pos_epoch AS e (terminal_id, epoch, seen)
        SELECT till.id, $4, coalesce((SELECT range_agg(int8range(s, s, '[]')) FROM unnest($5::bigint[]) s), '{}')
        FROM till ON CONFLICT (terminal_id, epoch) DO UPDATE SET seen = e.seen + excluded.seen
        RETURNING e.seen
    )
    SELECT till.*, (SELECT upper(r) - 1 FROM unnest(epoch.seen) r WHERE lower(r) = 1) AS acknowledged,
        (SELECT json_agg(json_build_array(lower(r), upper(r) - 1)) FROM (
            SELECT r FROM unnest(int8multirange(int8range(1, upper(epoch.seen))) - epoch.seen) r LIMIT $8
        ) gaps WHERE NOT isempty(epoch.seen)) AS missing
    FROM till, epoch
"""
