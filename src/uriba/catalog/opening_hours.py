"""Opening hours in local time, such as "09:00-21:00"; they end on the next day if the end is before the start."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from uriba.config import OPENING_HOURS

DAY_MINUTES = 24 * 60
DAYS_BACK = 2
"""Earlier days that may belong to the current period, because a location that never closes has no opening."""

_HOURS = re.compile(OPENING_HOURS, re.ASCII)


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """Minutes after midnight of the business day. `closes` may be on the next day."""

    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class OpenPeriod:
    """The time from an opening to the next closing."""

    start: datetime
    end: datetime


def parse(written: str) -> OpeningHours | None:
    """Return the opening hours; None for invalid input. A location that never closes has 00:00-24:00."""
    if not _HOURS.fullmatch(written):
        return None
    opens, closes = (int(part[:2]) * 60 + int(part[3:]) for part in written.split("-"))
    return OpeningHours(opens, closes if closes > opens else closes + DAY_MINUTES)


def current_period(hours: OpeningHours, timezone: str, now: datetime) -> OpenPeriod | None:
    """Return the open period that `now` is in, since the location was last closed; None while it is closed."""
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    period: OpenPeriod | None = None
    for back in range(DAYS_BACK + 1):
        span = _of_day(hours, zone, today - timedelta(days=back))
        if period is None:
            period = span if span.start <= now < span.end else None
        elif span.end >= period.start:
            period = OpenPeriod(span.start, period.end)
    return period


CurrentPeriods = Callable[[str | None, str], OpenPeriod | None]
"""Looks up the current open period by opening hours (None: the default) and time zone."""


def present_hours(now: datetime, default: str) -> CurrentPeriods:
    """Return a lookup of current open periods that computes each pair of hours and time zone once."""

    @cache
    def look_up(text: str | None, timezone: str) -> OpenPeriod | None:
        hours = parse(default if text is None else text)
        assert hours is not None
        return current_period(hours, timezone, now)

    return look_up


def _of_day(hours: OpeningHours, zone: ZoneInfo, day: date) -> OpenPeriod:
    """Return the open period of a day. If the clock changes at the opening or closing, the longer period applies."""
    return OpenPeriod(min(_moments(hours.opens, zone, day)), max(_moments(hours.closes, zone, day)))


def _moments(minutes: int, zone: ZoneInfo, day: date) -> tuple[datetime, datetime]:
    """Return the first and the last moment with this local time, which differ when the clock changes."""
    local = datetime.combine(day, time()) + timedelta(minutes=minutes)
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return first, local.replace(tzinfo=zone, fold=1).astimezone(UTC)
