"""Health checks: whether the process runs, and whether it can serve requests."""

from __future__ import annotations

import asyncio

from litestar import Response, Router, get

from uriba.db import Database
from uriba.outbox import relay

READY_TIMEOUT_S = 2


def health(database: Database) -> Router:
    """Return GET /health/live and /health/ready. Valkey is not checked: without it the hub is slower, but correct."""

    @get("/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/ready")
    async def ready() -> Response[dict[str, str]]:
        try:
            async with asyncio.timeout(READY_TIMEOUT_S), database.reading() as session:
                await relay.end_of_feed(session)
        except Exception as error:
            return Response({"status": "not ready", "reason": type(error).__name__}, status_code=503)
        return Response({"status": "ready"})

    return Router("/health", route_handlers=[live, ready])
