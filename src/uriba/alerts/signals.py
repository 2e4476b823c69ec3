"""What is measured for alerts: one statement for each kind, whatever there is of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache

from uriba.alerts.models import AlertKind
from uriba.alerts.rules import RULES, Signal, silence_s
from uriba.catalog import opening_hours
from uriba.catalog.opening_hours import Span
from uriba.db import Session
from uriba.pos.events import terminal_subject
from uriba.webhooks.events import endpoint_subject

FEED = "Feed:feed"

HoursOf = Callable[[str | None, str], Span | None]


def hours_at(now: datetime, default: str) -> HoursOf:
    """The present opening hours by a location's own (null: the default) and its zone; each looked up once."""

    @cache
    def found(written: str | None, timezone: str) -> Span | None:
        hours = opening_hours.parse(default if written is None else written)
        assert hours is not None
        return opening_hours.present(hours, timezone, now)

    return found


async def terminals(session: Session, *, now: datetime, default_hours: str) -> list[Signal]:
    """Tills that did not sync for a while. One that never did is not missed."""
    rule = RULES[AlertKind.TERMINAL_SILENT]
    hours = hours_at(now, default_hours)
    rows = await session.fetch(_TERMINALS, rule.closes_below)
    return [
        Signal(
            kind=AlertKind.TERMINAL_SILENT,
            subject=terminal_subject(row["key_id"]),
            value=silence_s(row["synced_at"], hours(row["opening_hours"], row["timezone"]), now),
            remains=(now - row["synced_at"]).total_seconds(),
            location_id=row["location_id"],
        )
        for row in rows
    ]


_TERMINALS = """
    SELECT t.key_id, t.synced_at, k.location_id, l.timezone, l.opening_hours FROM pos_terminal t
    JOIN access_key k ON k.id = t.key_id JOIN location l ON l.id = k.location_id
    WHERE k.revoked_at IS NULL AND t.synced_at < now() - make_interval(secs => $1)
"""


async def endpoints(session: Session) -> list[Signal]:
    """Endpoints that were given up; who asked for a pause needs no alert."""
    rows = await session.fetch(
        "SELECT id, channel_id FROM endpoint "
        "WHERE deleted_at IS NULL AND status = 'PAUSED' AND paused_reason <> 'ASKED'"
    )
    return [
        Signal(AlertKind.ENDPOINT_PAUSED, endpoint_subject(row["id"]), 1.0, 1.0, channel_id=row["channel_id"])
        for row in rows
    ]


async def feed(session: Session) -> list[Signal]:
    """How long the oldest event has been waiting for its place."""
    lag = await lag_s(session)
    return [Signal(AlertKind.FEED_LAG, FEED, lag, lag)]


async def lag_s(session: Session) -> float:
    return float(await session.fetchval(f"SELECT {LAG}"))


LAG = """
    coalesce((SELECT greatest(0, extract(epoch FROM clock_timestamp() - at)) FROM outbox_event
        WHERE position IS NULL ORDER BY id LIMIT 1), 0)::float8
"""


async def shortages(session: Session) -> list[Signal]:
    """By location, the age of the oldest promise that the goods for are still missing."""
    rows = await session.fetch(
        "SELECT location_id, extract(epoch FROM now() - min(opened_at))::float8 AS age_s FROM shortage "
        "WHERE settled < quantity GROUP BY location_id"
    )
    return [
        Signal(
            kind=AlertKind.SHORTAGES_OPEN,
            subject=f"Location:{row['location_id']}",
            value=row["age_s"],
            remains=row["age_s"],
            location_id=row["location_id"],
        )
        for row in rows
    ]


async def measure(session: Session, *, now: datetime, default_hours: str) -> Sequence[Signal]:
    """All that alerts are decided by, but stock."""
    return [
        *await terminals(session, now=now, default_hours=default_hours),
        *await endpoints(session),
        *await feed(session),
        *await shortages(session),
    ]
