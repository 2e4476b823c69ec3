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
SWEPT = Counter("uriba_swept_total", "Rows that a sweep finished.", ["sweep"])
DELIVERED = Counter("uriba_deliveries_total", "Tries to tell endpoints.", ["outcome"])
DELIVERY_SECONDS = Histogram(
    "uriba_delivery_seconds",
    "Time of one try to tell an endpoint.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
)
