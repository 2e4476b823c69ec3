"""The kinds and statuses of alerts, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class AlertKind(StrEnum):
    """The kind of alert.

    TERMINAL_SILENT: a till has not synced for a while within the opening hours of its store, in seconds.
    ENDPOINT_PAUSED: deliveries to an endpoint failed until it was paused. FEED_LAG: events wait for their position in
    the feed, in seconds. LOW_STOCK: the available units of a variant at a location fell to the threshold.
    SHORTAGES_OPEN: promised units have been missing at a location for a while, in seconds.
    """

    TERMINAL_SILENT = "TERMINAL_SILENT"
    ENDPOINT_PAUSED = "ENDPOINT_PAUSED"
    FEED_LAG = "FEED_LAG"
    LOW_STOCK = "LOW_STOCK"
    SHORTAGES_OPEN = "SHORTAGES_OPEN"


class AlertStatus(StrEnum):
    """OPEN until the cause of the alert is gone."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"
