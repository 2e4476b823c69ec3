"""Health: live says that the process runs, ready that it can serve."""

from __future__ import annotations

import asyncio

from litestar import Response, Router, get

from uriba.db import Database

READY_TIMEOUT_S = 2


def health(database: Database) -> Router:
    """GET /health/live and /health/ready. Valkey is no condition: without it the hub is slower, not wrong."""

    @get("/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/ready")
    async def ready() -> Response[dict[str, str]]:
        try:
            async with asyncio.timeout(READY_TIMEOUT_S), database.reading() as session:
                await session.fetchval("SELECT position FROM feed")
        except Exception as error:
            return Response({"status": "not ready", "reason": type(error).__name__}, status_code=503)
        return Response({"status": "ready"})

    return Router("/health", route_handlers=[live, ready])
