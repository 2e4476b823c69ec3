"""What is counted and timed, for Prometheus; names end in their unit."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

GRAPHQL_SECONDS = Histogram(
    "uriba_graphql_seconds",
    "Time to answer one GraphQL operation over HTTP.",
    ["outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
SUBSCRIBERS = Gauge("uriba_subscribers", "Live subscriptions of this process.", multiprocess_mode="livesum")
RELAYED = Counter("uriba_events_relayed_total", "Events that were given their place in the feed.")
BACKLOG = Gauge("uriba_events_waiting", "Committed events without a place in the feed.", multiprocess_mode="mostrecent")
FEED_LAG_SECONDS = Gauge(
    "uriba_feed_lag_seconds", "Age of the oldest event without a place in the feed.", multiprocess_mode="mostrecent"
)
ENDPOINTS = Gauge("uriba_endpoints", "Endpoints by status.", ["status"], multiprocess_mode="mostrecent")
ENDPOINT_LAG_SECONDS = Gauge(
    "uriba_endpoint_lag_seconds",
    "Age of the oldest event that some endpoint has still to be told of.",
    multiprocess_mode="mostrecent",
)
DELIVERIES_PENDING = Gauge("uriba_deliveries_pending", "Deliveries to be sent.", multiprocess_mode="mostrecent")
TERMINALS_SILENT = Gauge(
    "uriba_terminals_silent", "Tills that did not sync for 15 minutes of opening hours.", multiprocess_mode="mostrecent"
)
FACTS_PARKED = Gauge(
    "uriba_facts_parked", "Facts of tills that people have to look at.", multiprocess_mode="mostrecent"
)
ALERTS = Gauge("uriba_alerts_open", "Open alerts by kind.", ["kind"], multiprocess_mode="mostrecent")
SHORTAGES = Gauge("uriba_shortages_open", "Shortages that are not settled.", multiprocess_mode="mostrecent")
SWEPT = Counter("uriba_swept_total", "Rows that a sweep finished.", ["sweep"])
DELIVERED = Counter("uriba_deliveries_total", "Tries to tell endpoints.", ["outcome"])
DELIVERY_SECONDS = Histogram(
    "uriba_delivery_seconds",
    "Time of one try to tell an endpoint.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
)
