"""The rules of alerts: thresholds, hysteresis, and that one alert is open about a subject at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uriba.alerts.enums import AlertKind
from uriba.alerts.rules import (
    RULES,
    Decisions,
    OpenAlert,
    Signal,
    decide,
    is_silent,
    silence_s,
    stock_closes,
    stock_opens,
)
from uriba.catalog.opening_hours import OpenPeriod

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
KINDS = sorted(RULES)


class Subject:
    """One subject over time: its open alert, and what happened to its alerts."""

    def __init__(self, kind: AlertKind) -> None:
        self.kind, self.now = kind, NOW
        self.alert: OpenAlert | None = None
        self.history: list[str] = []

    def measure(self, value: float | None, *, closing_value: float | None = None, after_s: float = 1) -> None:
        self.now += timedelta(seconds=after_s)
        signals = [Signal(self.kind, "x", value, (value or 0.0) if closing_value is None else closing_value)]
        decisions = decide(signals, [self.alert] if self.alert else [], self.now)
        self._apply(decisions)

    def _apply(self, decisions: Decisions) -> None:
        if decisions.to_open:
            assert self.alert is None
            self.alert = OpenAlert(uuid4(), self.kind, "x", None)
            self.history.append("opened")
        if self.alert and self.alert.id in decisions.calm + decisions.not_calm:
            self.alert = OpenAlert(self.alert.id, self.kind, "x", self.now if decisions.calm else None)
        if self.alert and self.alert.id in decisions.to_close:
            self.alert = None
            self.history.append("closed")


@pytest.mark.parametrize("kind", KINDS)
def test_opens_at_its_threshold_and_not_before(kind: AlertKind) -> None:
    subject = Subject(kind)
    subject.measure(RULES[kind].opens_at - 0.001)
    assert subject.history == []
    subject.measure(RULES[kind].opens_at)
    assert subject.history == ["opened"]


@pytest.mark.parametrize("kind", KINDS)
def test_stays_open_while_its_value_wavers_at_the_threshold(kind: AlertKind) -> None:
    subject, rule = Subject(kind), RULES[kind]
    for n in range(100):
        subject.measure(rule.opens_at if n % 2 == 0 else max(rule.closes_below, rule.opens_at * 0.99), after_s=100)
    assert subject.history == ["opened"]


@pytest.mark.parametrize("kind", KINDS)
def test_closes_after_its_value_has_been_good_for_long_enough(kind: AlertKind) -> None:
    subject, rule = Subject(kind), RULES[kind]
    subject.measure(rule.opens_at)
    subject.measure(0.0)
    if rule.calm_s:
        subject.measure(0.0, after_s=rule.calm_s * 0.9)
        assert subject.history == ["opened"]
        subject.measure(rule.opens_at)  # Bad again: the time starts over.
        subject.measure(0.0)
        subject.measure(0.0, after_s=rule.calm_s * 0.9)
        assert subject.history == ["opened"]
        subject.measure(0.0, after_s=rule.calm_s * 0.1)
    assert subject.history == ["opened", "closed"]


@given(
    st.sampled_from(KINDS),
    st.lists(
        st.tuples(st.one_of(st.none(), st.floats(0, 2_000)), st.floats(0, 2_000), st.floats(0.001, 200)), max_size=60
    ),
)
def test_opens_and_closes_alternately(kind: AlertKind, measurements: list[tuple[float | None, float, float]]) -> None:
    subject = Subject(kind)
    for value, closing_value, after_s in measurements:
        subject.measure(value, closing_value=closing_value, after_s=after_s)
    assert subject.history == (["opened", "closed"] * len(measurements))[: len(subject.history)]


def test_closes_when_its_subject_has_no_signal() -> None:
    alert = OpenAlert(uuid4(), AlertKind.SHORTAGES_OPEN, "Location:1", None)
    assert decide([], [alert], NOW).to_close == [alert.id]


def test_silence_counts_from_when_the_store_opened() -> None:
    opened = OpenPeriod(NOW - timedelta(minutes=10), NOW + timedelta(hours=8))
    yesterday = NOW - timedelta(hours=15)

    assert silence_s(yesterday, opened, NOW) == 600
    assert silence_s(yesterday, None, NOW) is None
    assert not is_silent(yesterday, opened, NOW)
    assert is_silent(yesterday, opened, NOW + timedelta(minutes=5))
    assert silence_s(NOW + timedelta(seconds=3), opened, NOW) == 0


def test_a_till_that_is_silent_overnight_has_one_alert() -> None:
    subject = Subject(AlertKind.TERMINAL_SILENT)
    subject.measure(900, closing_value=900)
    subject.measure(None, closing_value=10_000)  # closed
    subject.measure(0, closing_value=50_000)  # just opened
    subject.measure(900, closing_value=51_000)
    assert subject.history == ["opened"]


@pytest.mark.parametrize(
    ("available", "fell", "opens", "closes"),
    [
        (5, True, True, False),
        (5, False, False, False),
        (6, True, False, False),
        (10, True, False, False),
        (11, False, False, True),
    ],
)
def test_low_stock_opens_when_a_level_falls_and_closes_above_twice_the_threshold(
    available: int, fell: bool, opens: bool, closes: bool
) -> None:
    assert stock_opens(available, fell=fell, low=5) is opens
    assert stock_closes(available, low=5) is closes
