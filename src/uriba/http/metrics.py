"""Metrics for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Callable

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from uriba.db import Database
from uriba.metrics import BACKLOG, SUBSCRIBERS
from uriba.outbox import relay


def metrics(database: Database, subscribers: Callable[[], int]) -> HTTPRouteHandler:
    """GET /metrics: the numbers of all processes of this machine that share a folder for them; else of this one."""

    @get("/metrics")
    async def show() -> Response[bytes]:
        SUBSCRIBERS.set(subscribers())
        async with database.reading() as session:
            BACKLOG.set(await relay.waiting(session))
        registry: CollectorRegistry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        shown = generate_latest(registry)
        return Response(shown, headers={"content-type": CONTENT_TYPE_LATEST}, media_type=MediaType.TEXT)

    return show
