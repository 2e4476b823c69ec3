"""The signals of all packages that alerts are decided by."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from uriba.alerts import signals
from uriba.alerts.enums import AlertKind
from uriba.alerts.signals import SignalSource
from uriba.webhooks import alert_signals as webhooks


def alert_sources(*, default_hours: str) -> Mapping[AlertKind, SignalSource]:
    """Return the source of each kind of alert. `default_hours`: of stores without opening hours of their own."""
    return {
        AlertKind.TERMINAL_SILENT: partial(signals.silent_terminals, default_hours=default_hours),
        AlertKind.ENDPOINT_PAUSED: webhooks.paused_endpoints,
        AlertKind.FEED_LAG: signals.feed_lag,
        AlertKind.SHORTAGES_OPEN: signals.open_shortages,
    }
