"""Metrics for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Callable

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from uriba import metrics as shown
from uriba.alerts.models import AlertKind
from uriba.config import Settings
from uriba.db import Database
from uriba.health import sync_health
from uriba.health.sync_health import Figures
from uriba.webhooks.models import EndpointStatus


def metrics(database: Database, settings: Settings, subscribers: Callable[[], int]) -> HTTPRouteHandler:
    """GET /metrics: the numbers of all processes of this machine that share a folder for them; else of this one."""

    @get("/metrics")
    async def show() -> Response[bytes]:
        shown.SUBSCRIBERS.set(subscribers())
        async with database.reading() as session:
            _show(await sync_health.figures(session, default_hours=settings.opening_hours))
        registry: CollectorRegistry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        content = generate_latest(registry)
        return Response(content, headers={"content-type": CONTENT_TYPE_LATEST}, media_type=MediaType.TEXT)

    return show


def _show(figures: Figures) -> None:
    """What has no row is 0, not absent."""
    shown.EVENTS_WAITING.set(figures.waiting)
    shown.FEED_LAG_SECONDS.set(figures.feed_lag_s)
    for status in EndpointStatus:
        shown.ENDPOINTS.labels(status).set(figures.endpoints.get(status, 0))
    shown.ENDPOINT_LAG_SECONDS.set(figures.endpoint_lag_s)
    shown.DELIVERIES_PENDING.set(figures.deliveries)
    shown.TERMINALS_SILENT.set(figures.terminals_silent)
    shown.FACTS_PARKED.set(figures.parked)
    for kind in AlertKind:
        shown.ALERTS_OPEN.labels(kind).set(figures.alerts.get(kind, 0))
    shown.SHORTAGES_OPEN.set(figures.shortages)
