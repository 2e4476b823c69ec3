"""Opening hours: by the local clock, over midnight, and on days when the clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from uriba.catalog.opening_hours import current_period, parse

ZONES = st.sampled_from(
    [
        "Asia/Tokyo",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Asia/Kathmandu",
        "UTC",
    ]
)
MINUTES = st.integers(0, 24 * 60 - 1)
MOMENTS = st.integers(0, 4 * 366 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def hours_text(opens: int, closes: int) -> str:
    return f"{opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}"


@pytest.mark.parametrize(
    "hours", ["", "9:00-21:00", "09:00-21:00\n", "09:00", "24:00-09:00", "09:60-10:00", "٠٩:٠٠-٢١:٠٠"]
)
def test_text_that_is_not_opening_hours_is_none(hours: str) -> None:
    assert parse(hours) is None


@settings(deadline=None)
@given(MINUTES, MINUTES, ZONES, MOMENTS)
def test_open_by_the_local_clock(opens: int, closes: int, zone: str, now: datetime) -> None:
    hours = parse(hours_text(opens, closes))
    assert hours is not None
    wall = now.astimezone(ZoneInfo(zone))
    minute = wall.hour * 60 + wall.minute
    open_by_clock = opens <= minute < closes if opens < closes else minute >= opens or minute < closes
    changed = any(
        (wall + timedelta(hours=h)).replace(tzinfo=ZoneInfo(zone)).utcoffset() != wall.utcoffset() for h in (-48, 48)
    )

    span = current_period(hours, zone, now)

    # On a day when the clock changes, the open period may be longer than the hours say, never shorter.
    assert span is not None if open_by_clock else span is None or changed
    assert span is None or span.start <= now < span.end


@settings(deadline=None)
@given(MINUTES, MINUTES, ZONES, MOMENTS)
def test_all_moments_of_an_open_period_have_the_same_period(opens: int, closes: int, zone: str, now: datetime) -> None:
    # With less time between closing and opening, a change of the clock may leave none of it.
    assume((opens - closes) % (24 * 60) > 60)
    hours = parse(hours_text(opens, closes))
    assert hours is not None

    span = current_period(hours, zone, now)

    if span is not None:
        assert span.end - span.start <= timedelta(hours=25)
        assert current_period(hours, zone, span.start) == span
        assert current_period(hours, zone, span.start + (now - span.start) / 2) == span
        assert current_period(hours, zone, span.end) is None


@pytest.mark.parametrize(
    ("hours", "zone", "at", "opened"),
    [
        ("09:00-21:00", "Asia/Tokyo", "2026-05-01T00:00Z", "2026-05-01T00:00Z"),
        ("09:00-21:00", "Asia/Tokyo", "2026-04-30T23:59Z", None),
        ("09:00-21:00", "Asia/Tokyo", "2026-05-01T12:00Z", None),
        ("22:00-05:00", "Asia/Tokyo", "2026-05-01T18:00Z", "2026-05-01T13:00Z"),
        ("22:00-05:00", "Asia/Tokyo", "2026-05-01T20:00Z", None),
        # The night without an hour from 2 to 3, and the night that has it twice.
        ("22:00-05:00", "Europe/Berlin", "2026-03-29T02:59Z", "2026-03-28T21:00Z"),
        ("22:00-05:00", "Europe/Berlin", "2026-03-29T03:00Z", None),
        ("22:00-05:00", "Europe/Berlin", "2026-10-25T03:59Z", "2026-10-24T20:00Z"),
        ("22:00-05:00", "Europe/Berlin", "2026-10-25T04:00Z", None),
        ("02:30-04:00", "Europe/Berlin", "2026-03-29T01:00Z", "2026-03-29T00:30Z"),
    ],
)
def test_the_open_period_of_a_moment(hours: str, zone: str, at: str, opened: str | None) -> None:
    found = parse(hours)
    assert found is not None

    span = current_period(found, zone, datetime.fromisoformat(at))

    assert (span.start if span else None) == (datetime.fromisoformat(opened) if opened else None)


@settings(deadline=None)
@given(ZONES, MOMENTS)
def test_a_place_that_never_closes_was_open_yesterday(zone: str, now: datetime) -> None:
    hours = parse("00:00-24:00")
    assert hours is not None

    span = current_period(hours, zone, now)

    assert span is not None
    yesterday = datetime.combine(now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1), time(1), ZoneInfo(zone))
    assert span.start <= yesterday
