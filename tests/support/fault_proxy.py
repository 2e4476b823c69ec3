"""A TCP proxy between the hub and an engine that can cut, stall or slow its connections, and counts what it affected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum


class ProxyState(Enum):
    FORWARDING = "forwarding"
    CUT = "cut"
    STALLED = "stalled"


class FaultProxy:
    """A loopback port that forwards to a Unix socket. `affected`: connections and chunks of data that met a fault."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.port = 0
        self.affected = 0
        self.latency_s = 0.0
        self._state = ProxyState.FORWARDING
        self._connections: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        connections = list(self._connections)
        self.cut()
        await asyncio.gather(*connections, return_exceptions=True)

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        self._state = ProxyState.CUT
        self._abort()

    def stall(self) -> None:
        """Keep connections open and drop their data."""
        self._state = ProxyState.STALLED

    def slow(self, latency_s: float) -> None:
        self.latency_s = latency_s

    def repair(self) -> None:
        """Forward again. Connections whose data was dropped are ended."""
        was_stalled, self._state, self.latency_s = self._state is ProxyState.STALLED, ProxyState.FORWARDING, 0.0
        if was_stalled:
            self._abort(counting=False)

    def _abort(self, *, counting: bool = True) -> None:
        for ends in self._connections.values():
            self.affected += counting
            for end in ends:
                end.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state is ProxyState.CUT:
            self.affected += 1
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self.path)
        except OSError:
            self.affected += 1
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = (writer, far_writer)
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            del self._connections[task]

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(65_536):
                if self._state is ProxyState.STALLED:
                    self.affected += 1
                    continue
                if self.latency_s:
                    self.affected += 1
                    await asyncio.sleep(self.latency_s)
                target.write(chunk)
                await target.drain()
        target.close()


@asynccontextmanager
async def fault_proxy(path: str) -> AsyncIterator[FaultProxy]:
    """Open a proxy to the socket at this path."""
    proxy = FaultProxy(path)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
