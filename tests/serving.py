"""An API server within a test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn


@asynccontextmanager
async def serving(application: Any) -> AsyncIterator[str]:
    """Serve while the block lasts, as `uriba api` does; the address of its GraphQL.

    uvicorn makes the socket: from one that `socket.create_server` made, asyncio sends answers 40 ms late, because it
    switches Nagle's algorithm off only where a socket names its protocol.
    """
    config = uvicorn.Config(
        application, port=0, http="httptools", ws="websockets-sansio", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done(), "the server did not start"
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/graphql"
    server.should_exit = True
    await running
