"""Health of tills: the last sync of each, gaps in its sequences, parked events, clock skew and silence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from uriba.alerts.rules import is_silent
from uriba.catalog.opening_hours import CurrentPeriods, present_hours
from uriba.core import clock
from uriba.db import Row, Session
from uriba.db.statements import statement


@dataclass(frozen=True, slots=True)
class TerminalHealth:
    """The state of a till. `synced_at`: None if it never synced. `epoch`: its newest; every sequence of it up to
    `acknowledged` is stored, `missing` counts the gaps below the highest. `lag_s`: the age of its newest event.
    `silent_since`: its last sync, if that is too long ago for the opening hours of its location."""

    key_id: str
    name: str | None
    location_id: int
    synced_at: datetime | None
    skew_ms: int
    epoch: int | None
    acknowledged: int
    missing: int
    newest_event_at: datetime | None
    lag_s: float | None
    parked: int
    silent_since: datetime | None


async def terminals(
    session: Session, *, location_id: int | None, default_hours: str, first: int, after: str | None
) -> list[TerminalHealth]:
    """Return the tills of one location or of all by key, one more than `first`, those that never synced included."""
    now = clock.now()
    open_periods = present_hours(now, default_hours)
    rows = await session.fetch(_TERMINALS, location_id=location_id, after=after, limit=first + 1)
    return [_terminal(row, open_periods, now) for row in rows]


def _terminal(row: Row, open_periods: CurrentPeriods, now: datetime) -> TerminalHealth:
    return TerminalHealth(
        key_id=row["key_id"],
        name=row["name"],
        location_id=row["location_id"],
        synced_at=row["synced_at"],
        skew_ms=row["skew_ms"],
        epoch=row["epoch"],
        acknowledged=row["acknowledged"],
        missing=row["missing"],
        newest_event_at=row["newest_event_at"],
        lag_s=row["lag_s"],
        parked=row["parked"],
        silent_since=row["synced_at"] if _is_silent(row, open_periods, now) else None,
    )


def _is_silent(row: Row, open_periods: CurrentPeriods, now: datetime) -> bool:
    synced_at = row["synced_at"]
    return synced_at is not None and is_silent(synced_at, open_periods(row["opening_hours"], row["timezone"]), now)


_TERMINALS = statement("""
    WITH parked AS (
        SELECT terminal, count(*) AS cases FROM conflict
        WHERE status = 'OPEN' AND kind IN ('PARKED', 'TAMPERED') GROUP BY terminal
    )
    SELECT k.id AS key_id, k.name, k.location_id, l.timezone, l.opening_hours, t.synced_at,
        coalesce(t.skew_ms, 0) AS skew_ms, e.epoch, coalesce(e.acknowledged, 0) AS acknowledged,
        coalesce(e.missing, 0) AS missing, n.occurred_at AS newest_event_at,
        greatest(0, extract(epoch FROM now() - n.occurred_at))::float8 AS lag_s, coalesce(c.cases, 0) AS parked
    FROM access_key k JOIN location l ON l.id = k.location_id
    LEFT JOIN pos_terminal t ON t.key_id = k.id
    LEFT JOIN LATERAL (
        SELECT o.epoch, coalesce((SELECT upper(r) - 1 FROM unnest(o.seen) r WHERE lower(r) = 1), 0) AS acknowledged,
            CASE WHEN isempty(o.seen) THEN 0 ELSE (
                SELECT count(*) FROM unnest(int8multirange(int8range(1, upper(o.seen))) - o.seen)) END AS missing
        FROM pos_epoch o WHERE o.terminal_id = t.id ORDER BY o.epoch DESC LIMIT 1
    ) e ON true
    LEFT JOIN LATERAL (
        SELECT f.occurred_at FROM pos_event f WHERE f.terminal_id = t.id ORDER BY f.epoch DESC, f.sequence DESC LIMIT 1
    ) n ON true
    LEFT JOIN parked c ON c.terminal = k.id
    WHERE k.location_id IS NOT NULL AND k.revoked_at IS NULL
        AND (:location_id::bigint IS NULL OR k.location_id = :location_id) AND (:after::text IS NULL OR k.id > :after)
    ORDER BY k.id LIMIT :limit
""")


async def count_silent(session: Session, *, default_hours: str) -> int:
    """Return how many tills are silent."""
    now = clock.now()
    open_periods = present_hours(now, default_hours)
    return sum(_is_silent(row, open_periods, now) for row in await session.fetch(_SYNCED))


_SYNCED = statement("""
    SELECT t.synced_at, l.timezone, l.opening_hours FROM pos_terminal t
    JOIN access_key k ON k.id = t.key_id JOIN location l ON l.id = k.location_id WHERE k.revoked_at IS NULL
""")
