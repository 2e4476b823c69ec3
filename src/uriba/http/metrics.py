"""Metrics for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Callable

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from uriba import metrics as gauges
from uriba.alerts.enums import AlertKind
from uriba.config import Settings
from uriba.db import Database
from uriba.health import metrics as health
from uriba.health.metrics import HealthMetrics
from uriba.webhooks.enums import EndpointStatus


def metrics(database: Database, settings: Settings, subscribers: Callable[[], int]) -> HTTPRouteHandler:
    """Return GET /metrics: the metrics of all processes that share PROMETHEUS_MULTIPROC_DIR, else of this process."""

    @get("/metrics")
    async def get_metrics() -> Response[bytes]:
        gauges.SUBSCRIBERS.set(subscribers())
        async with database.reading() as session:
            _set_gauges(await health.measure(session, default_hours=settings.opening_hours))
        registry: CollectorRegistry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        content = generate_latest(registry)
        return Response(content, headers={"content-type": CONTENT_TYPE_LATEST}, media_type=MediaType.TEXT)

    return get_metrics


def _set_gauges(measured: HealthMetrics) -> None:
    """Set every gauge; one without a measurement is 0, not absent."""
    gauges.EVENTS_WAITING.set(measured.events_waiting)
    gauges.FEED_LAG_SECONDS.set(measured.feed_lag_s)
    for status in EndpointStatus:
        gauges.ENDPOINTS.labels(status).set(measured.endpoints.get(status, 0))
    gauges.ENDPOINT_LAG_SECONDS.set(measured.endpoint_lag_s)
    gauges.DELIVERIES_PENDING.set(measured.deliveries_pending)
    gauges.TERMINALS_SILENT.set(measured.terminals_silent)
    gauges.FACTS_PARKED.set(measured.events_parked)
    for kind in AlertKind:
        gauges.ALERTS_OPEN.labels(kind).set(measured.alerts.get(kind, 0))
    gauges.SHORTAGES_OPEN.set(measured.shortages_open)
