"""The rules of alerts: one opens, wavers, and closes; whatever comes, an alert is never opened twice at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uriba.alerts.models import AlertKind
from uriba.alerts.rules import RULES, Signal, Standing, decide, is_silent, silence_s, stock_closes, stock_opens
from uriba.catalog.opening_hours import Span

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
KINDS = sorted(RULES)


class Watched:
    """One subject over time: its open alert, and what became of it."""

    def __init__(self, kind: AlertKind) -> None:
        self.kind, self.now = kind, NOW
        self.alert: Standing | None = None
        self.history: list[str] = []

    def measure(self, value: float | None, *, remains: float | None = None, after_s: float = 1) -> None:
        self.now += timedelta(seconds=after_s)
        signals = [Signal(self.kind, "x", value, (value or 0.0) if remains is None else remains)]
        decisions = decide(signals, [self.alert] if self.alert else [], self.now)
        self._follow(decisions.opened, decisions.calmed, decisions.uneasy, decisions.closed)

    def _follow(self, opened: list[Signal], calmed: list[UUID], uneasy: list[UUID], closed: list[UUID]) -> None:
        if opened:
            assert self.alert is None
            self.alert = Standing(uuid4(), self.kind, "x", None)
            self.history.append("opened")
        if self.alert and self.alert.id in calmed + uneasy:
            self.alert = Standing(self.alert.id, self.kind, "x", self.now if calmed else None)
        if self.alert and self.alert.id in closed:
            self.alert = None
            self.history.append("closed")


@pytest.mark.parametrize("kind", KINDS)
def test_opens_at_its_threshold_and_not_before(kind: AlertKind) -> None:
    watched = Watched(kind)
    watched.measure(RULES[kind].opens_at - 0.001)
    assert watched.history == []
    watched.measure(RULES[kind].opens_at)
    assert watched.history == ["opened"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_wavers_at_the_threshold_stays_open(kind: AlertKind) -> None:
    watched, rule = Watched(kind), RULES[kind]
    for n in range(100):
        watched.measure(rule.opens_at if n % 2 == 0 else max(rule.closes_below, rule.opens_at * 0.99), after_s=100)
    assert watched.history == ["opened"]


@pytest.mark.parametrize("kind", KINDS)
def test_closes_once_it_has_been_well_for_long_enough(kind: AlertKind) -> None:
    watched, rule = Watched(kind), RULES[kind]
    watched.measure(rule.opens_at)
    watched.measure(0.0)
    if rule.calm_s:
        watched.measure(0.0, after_s=rule.calm_s * 0.9)
        assert watched.history == ["opened"]
        watched.measure(rule.opens_at)  # Not well after all: the time begins anew.
        watched.measure(0.0)
        watched.measure(0.0, after_s=rule.calm_s * 0.9)
        assert watched.history == ["opened"]
        watched.measure(0.0, after_s=rule.calm_s * 0.1)
    assert watched.history == ["opened", "closed"]


@given(
    st.sampled_from(KINDS),
    st.lists(
        st.tuples(st.one_of(st.none(), st.floats(0, 2_000)), st.floats(0, 2_000), st.floats(0.001, 200)), max_size=60
    ),
)
def test_opening_and_closing_take_turns(kind: AlertKind, told: list[tuple[float | None, float, float]]) -> None:
    watched = Watched(kind)
    for value, remains, after_s in told:
        watched.measure(value, remains=remains, after_s=after_s)
    assert watched.history == (["opened", "closed"] * len(told))[: len(watched.history)]


def test_what_is_gone_is_well() -> None:
    alert = Standing(uuid4(), AlertKind.SHORTAGES_OPEN, "Location:1", None)
    assert decide([], [alert], NOW).closed == [alert.id]


def test_a_till_is_missed_only_since_its_store_opened() -> None:
    opened = Span(NOW - timedelta(minutes=10), NOW + timedelta(hours=8))
    yesterday = NOW - timedelta(hours=15)

    assert silence_s(yesterday, opened, NOW) == 600
    assert silence_s(yesterday, None, NOW) is None
    assert not is_silent(yesterday, opened, NOW)
    assert is_silent(yesterday, opened, NOW + timedelta(minutes=5))
    assert silence_s(NOW + timedelta(seconds=3), opened, NOW) == 0


def test_a_till_that_stays_silent_over_night_has_one_alert() -> None:
    watched = Watched(AlertKind.TERMINAL_SILENT)
    watched.measure(900, remains=900)
    watched.measure(None, remains=10_000)  # closed
    watched.measure(0, remains=50_000)  # just opened
    watched.measure(900, remains=51_000)
    assert watched.history == ["opened"]


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
def test_low_stock(available: int, fell: bool, opens: bool, closes: bool) -> None:
    assert stock_opens(available, fell=fell, low=5) is opens
    assert stock_closes(available, low=5) is closes
