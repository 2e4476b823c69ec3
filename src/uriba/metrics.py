"""Prometheus metrics. Their names end in their unit."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

GRAPHQL_SECONDS = Histogram(
    "uriba_graphql_seconds",
    "Time to respond to one GraphQL operation over HTTP.",
    ["outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
SUBSCRIBERS = Gauge("uriba_subscribers", "Open subscriptions of this process.", multiprocess_mode="livesum")
EVENTS_RELAYED = Counter("uriba_events_relayed_total", "Events that were given their position in the feed.")
EVENTS_WAITING = Gauge(
    "uriba_events_waiting", "Committed events without a position in the feed.", multiprocess_mode="mostrecent"
)
FEED_LAG_SECONDS = Gauge(
    "uriba_feed_lag_seconds", "Age of the oldest event without a position in the feed.", multiprocess_mode="mostrecent"
)
ENDPOINTS = Gauge("uriba_endpoints", "Endpoints by status.", ["status"], multiprocess_mode="mostrecent")
ENDPOINT_LAG_SECONDS = Gauge(
    "uriba_endpoint_lag_seconds",
    "Age of the oldest event that is still to be delivered to an endpoint.",
    multiprocess_mode="mostrecent",
)
DELIVERIES_PENDING = Gauge("uriba_deliveries_pending", "Pending deliveries.", multiprocess_mode="mostrecent")
TERMINALS_SILENT = Gauge(
    "uriba_terminals_silent",
    "Terminals that did not sync for 15 minutes of opening hours.",
    multiprocess_mode="mostrecent",
)
FACTS_PARKED = Gauge(
    "uriba_facts_parked", "Parked facts of tills, which staff have to look at.", multiprocess_mode="mostrecent"
)
ALERTS_OPEN = Gauge("uriba_alerts_open", "Open alerts by kind.", ["kind"], multiprocess_mode="mostrecent")
SHORTAGES_OPEN = Gauge("uriba_shortages_open", "Open shortages.", multiprocess_mode="mostrecent")
ROWS_SWEPT = Counter("uriba_swept_total", "Rows that a sweep has processed.", ["sweep"])
DELIVERY_ATTEMPTS = Counter("uriba_deliveries_total", "Attempts to deliver to endpoints.", ["outcome"])
DELIVERY_SECONDS = Histogram(
    "uriba_delivery_seconds",
    "Time of one attempt to deliver to an endpoint.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
)
