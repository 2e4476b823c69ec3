"""Opening hours: "09:00-21:00" by a place's own clock; over midnight where the end is the earlier. No IO."""

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
"""Days that are looked back at for when the present hours began: a place that never closes was open then too."""

_HOURS = re.compile(OPENING_HOURS, re.ASCII)


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """Minutes from the midnight that a business day begins with; `closes` may be on the next day."""

    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class Span:
    """From the opening to the closing."""

    start: datetime
    end: datetime


def parse(written: str) -> OpeningHours | None:
    """The hours, or None for what is none. A place that never closes writes 00:00-24:00."""
    if not _HOURS.fullmatch(written):
        return None
    opens, closes = (int(part[:2]) * 60 + int(part[3:]) for part in written.split("-"))
    return OpeningHours(opens, closes if closes > opens else closes + DAY_MINUTES)


def present(hours: OpeningHours, timezone: str, now: datetime) -> Span | None:
    """The hours that `now` is within, begun where the place was last closed; None while it is closed."""
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    found: Span | None = None
    for back in range(DAYS_BACK + 1):
        span = _of_day(hours, zone, today - timedelta(days=back))
        if found is None:
            found = span if span.start <= now < span.end else None
        elif span.end >= found.start:
            found = Span(span.start, found.end)
    return found


HoursOf = Callable[[str | None, str], Span | None]
"""The present opening hours of a place, by its opening hours (None: the default) and its time zone."""


def present_hours(now: datetime, default: str) -> HoursOf:
    """Return a lookup of present opening hours that computes each pair of hours and time zone once."""

    @cache
    def look_up(text: str | None, timezone: str) -> Span | None:
        hours = parse(default if text is None else text)
        assert hours is not None
        return present(hours, timezone, now)

    return look_up


def _of_day(hours: OpeningHours, zone: ZoneInfo, day: date) -> Span:
    """Where the clock is changed at the very opening or closing, the longer time is meant."""
    return Span(min(_moments(hours.opens, zone, day)), max(_moments(hours.closes, zone, day)))


def _moments(minutes: int, zone: ZoneInfo, day: date) -> tuple[datetime, datetime]:
    """When the clock shows this: once; twice, or not at all, on a day when it is changed."""
    shown = datetime.combine(day, time()) + timedelta(minutes=minutes)
    first = shown.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return first, shown.replace(tzinfo=zone, fold=1).astimezone(UTC)
