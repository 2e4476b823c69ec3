"""Signals of the domains below alerts: tills, the feed, shortages. One statement each, for any number of subjects.

Packages above this one have signals of their own, in a module `alert_signals`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from uriba.alerts.enums import AlertKind
from uriba.alerts.rules import RULES, Signal, silence_s
from uriba.catalog.opening_hours import present_hours
from uriba.db import Session
from uriba.inventory import queries as inventory
from uriba.outbox import relay
from uriba.pos import queries as pos
from uriba.pos.events import terminal_subject

SignalSource = Callable[[Session, datetime], Awaitable[Sequence[Signal]]]
"""Measures all subjects of one kind of alert; the time is now."""

FEED_SUBJECT = "Feed:feed"


async def silent_terminals(session: Session, now: datetime, *, default_hours: str) -> list[Signal]:
    """Measure tills that have not synced for a while. A till that never synced is not missed."""
    open_periods = present_hours(now, default_hours)
    tills = await pos.terminals_not_synced(session, for_s=RULES[AlertKind.TERMINAL_SILENT].closes_below)
    return [
        Signal(
            kind=AlertKind.TERMINAL_SILENT,
            subject=terminal_subject(till.key_id),
            opening_value=silence_s(till.synced_at, open_periods(till.opening_hours, till.timezone), now),
            closing_value=(now - till.synced_at).total_seconds(),
            location_id=till.location_id,
        )
        for till in tills
    ]


async def feed_lag(session: Session, now: datetime) -> list[Signal]:
    """Measure how long the oldest event without a position has been waiting for it."""
    lag = await relay.lag_s(session)
    return [Signal(AlertKind.FEED_LAG, FEED_SUBJECT, lag, lag)]


async def open_shortages(session: Session, now: datetime) -> list[Signal]:
    """Measure, by location, the age of the oldest open shortage."""
    ages = await inventory.oldest_shortages(session)
    return [
        Signal(AlertKind.SHORTAGES_OPEN, f"Location:{location_id}", age_s, age_s, location_id=location_id)
        for location_id, age_s in ages.items()
    ]
