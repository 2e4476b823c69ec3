"""Metrics for Prometheus."""

from __future__ import annotations

import os

from litestar import MediaType, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector


@get("/metrics", sync_to_thread=True)
def metrics() -> Response[bytes]:
    """The numbers of all API processes of this machine, where they share a folder for them; else of this one."""
    registry: CollectorRegistry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST}, media_type=MediaType.TEXT)
