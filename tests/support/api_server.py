"""Run an API server within the test's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn


class _Server(uvicorn.Server):
    """A server that leaves signals to pytest, so that Ctrl-C ends the test run and not only the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve(application: Any) -> AsyncIterator[str]:
    """Serve the application as `uriba api` does, and yield the URL of its GraphQL endpoint.

    uvicorn creates the socket: with a socket of `socket.create_server`, asyncio sends responses 40 ms late, because
    it disables Nagle's algorithm only for sockets that name their protocol.
    """
    config = uvicorn.Config(
        application, port=0, http="httptools", ws="websockets-sansio", log_config=None, access_log=False
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done(), "the server did not start"
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/graphql"
    server.should_exit = True
    await running
