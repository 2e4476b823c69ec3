"""When an alert opens and when it closes. Pure.

What was bad enough to open an alert must become much better, or stay well for a while, before it is closed: nobody is
told twice of what only wavers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from uriba.alerts.models import AlertKind
from uriba.catalog.opening_hours import Span


@dataclass(frozen=True, slots=True)
class Rule:
    """Opens at `opens_at` and above; closes when it has been below `closes_below` for `calm_s` seconds."""

    opens_at: float
    closes_below: float
    calm_s: float = 0


RULES: Mapping[AlertKind, Rule] = {
    AlertKind.TERMINAL_SILENT: Rule(opens_at=900, closes_below=300, calm_s=60),
    AlertKind.ENDPOINT_PAUSED: Rule(opens_at=1, closes_below=1, calm_s=60),
    AlertKind.FEED_LAG: Rule(opens_at=5, closes_below=1, calm_s=10),
    AlertKind.SHORTAGES_OPEN: Rule(opens_at=900, closes_below=300),
}
"""All but LOW_STOCK, which is found in the feed: see `stock_opens`, `stock_closes`."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What was measured of a subject. `value` may open an alert (None: not now), `remains` keeps it open."""

    kind: AlertKind
    subject: str
    value: float | None
    remains: float
    location_id: int | None = None
    channel_id: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An open alert. `calm_since`: well since then."""

    id: UUID
    kind: AlertKind
    subject: str
    calm_since: datetime | None


@dataclass(slots=True)
class Decisions:
    """What becomes of alerts. `calmed` and `uneasy`: all is well from now on, or no longer."""

    opened: list[Signal] = field(default_factory=list)
    calmed: list[UUID] = field(default_factory=list)
    uneasy: list[UUID] = field(default_factory=list)
    closed: list[UUID] = field(default_factory=list)


def decide(signals: Iterable[Signal], standing: Sequence[Standing], now: datetime) -> Decisions:
    """What has no signal is well."""
    measured = {(signal.kind, signal.subject): signal for signal in signals}
    decisions = Decisions()
    for alert in standing:
        signal = measured.pop((alert.kind, alert.subject), None)
        _keep_or_close(alert, signal.remains if signal else 0.0, now, decisions)
    decisions.opened = [s for s in measured.values() if s.value is not None and s.value >= RULES[s.kind].opens_at]
    return decisions


def _keep_or_close(alert: Standing, remains: float, now: datetime, decisions: Decisions) -> None:
    rule = RULES[alert.kind]
    if remains >= rule.closes_below:
        if alert.calm_since is not None:
            decisions.uneasy.append(alert.id)
    elif now - (alert.calm_since or now) >= timedelta(seconds=rule.calm_s):
        decisions.closed.append(alert.id)
    elif alert.calm_since is None:
        decisions.calmed.append(alert.id)


def silence_s(synced_at: datetime, open_hours: Span | None, now: datetime) -> float | None:
    """How long a till has been silent since its store opened; None while the store is closed."""
    if open_hours is None:
        return None
    return max(0.0, (now - max(synced_at, open_hours.start)).total_seconds())


def is_silent(synced_at: datetime, open_hours: Span | None, now: datetime) -> bool:
    silence = silence_s(synced_at, open_hours, now)
    return silence is not None and silence >= RULES[AlertKind.TERMINAL_SILENT].opens_at


def stock_opens(available: int, *, fell: bool, low: int) -> bool:
    """`fell`: it was above the threshold before. What was always low is no news."""
    return fell and available <= low


def stock_closes(available: int, *, low: int) -> bool:
    return available > 2 * low
