"""The rules of alerts: when one opens and when it closes. No I/O.

Thresholds have hysteresis: after an alert has opened, its value must become much better than the value that opens it,
or stay good for a while, before the alert closes. A value that wavers around the threshold opens one alert.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from uriba.alerts.enums import AlertKind
from uriba.catalog.opening_hours import OpenPeriod


@dataclass(frozen=True, slots=True)
class Rule:
    """Opens at `opens_at` and above; closes after the value has been below `closes_below` for `calm_s` seconds."""

    opens_at: float
    closes_below: float
    calm_s: float = 0


RULES: Mapping[AlertKind, Rule] = {
    AlertKind.TERMINAL_SILENT: Rule(opens_at=900, closes_below=300, calm_s=60),
    AlertKind.ENDPOINT_PAUSED: Rule(opens_at=1, closes_below=1, calm_s=60),
    AlertKind.FEED_LAG: Rule(opens_at=5, closes_below=1, calm_s=10),
    AlertKind.SHORTAGES_OPEN: Rule(opens_at=900, closes_below=300),
}
"""All kinds but LOW_STOCK, which is found by scanning the feed: see `stock_opens` and `stock_closes`."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A measurement of a subject. `opening_value` may open an alert (None: it cannot open now); while one is open,
    `closing_value` decides when it closes."""

    kind: AlertKind
    subject: str
    opening_value: float | None
    closing_value: float
    location_id: int | None = None
    channel_id: int | None = None


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that is open. `calm_since`: since when its value has been good."""

    id: UUID
    kind: AlertKind
    subject: str
    calm_since: datetime | None


@dataclass(slots=True)
class Decisions:
    """Changes of alerts. `calm`: alerts whose value is good from now on; `not_calm`: whose value is bad again."""

    to_open: list[Signal] = field(default_factory=list)
    calm: list[UUID] = field(default_factory=list)
    not_calm: list[UUID] = field(default_factory=list)
    to_close: list[UUID] = field(default_factory=list)


def decide(signals: Iterable[Signal], open_alerts: Sequence[OpenAlert], now: datetime) -> Decisions:
    """Return the changes that the rules ask for. A subject without a signal counts as 0."""
    by_subject = {(signal.kind, signal.subject): signal for signal in signals}
    decisions = Decisions()
    for alert in open_alerts:
        signal = by_subject.pop((alert.kind, alert.subject), None)
        _keep_or_close(alert, signal.closing_value if signal else 0.0, now, decisions)
    decisions.to_open = [
        signal
        for signal in by_subject.values()
        if signal.opening_value is not None and signal.opening_value >= RULES[signal.kind].opens_at
    ]
    return decisions


def _keep_or_close(alert: OpenAlert, value: float, now: datetime, decisions: Decisions) -> None:
    rule = RULES[alert.kind]
    if value >= rule.closes_below:
        if alert.calm_since is not None:
            decisions.not_calm.append(alert.id)
    elif now - (alert.calm_since or now) >= timedelta(seconds=rule.calm_s):
        decisions.to_close.append(alert.id)
    elif alert.calm_since is None:
        decisions.calm.append(alert.id)


def silence_s(synced_at: datetime, open_period: OpenPeriod | None, now: datetime) -> float | None:
    """Return how long a till has been silent since its store opened; None while the store is closed."""
    if open_period is None:
        return None
    return max(0.0, (now - max(synced_at, open_period.start)).total_seconds())


def is_silent(synced_at: datetime, open_period: OpenPeriod | None, now: datetime) -> bool:
    silence = silence_s(synced_at, open_period, now)
    return silence is not None and silence >= RULES[AlertKind.TERMINAL_SILENT].opens_at


def stock_opens(available: int, *, fell: bool, low: int) -> bool:
    """Return whether a level opens an alert. `fell`: it was above the threshold before; a level always below is not."""
    return fell and available <= low


def stock_closes(available: int, *, low: int) -> bool:
    return available > 2 * low
