"""A wire between the hub and an engine: cut, swallow, slow down, mend. It counts whom each fault hit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum


class Mood(Enum):
    WHOLE = "whole"
    CUT = "cut"
    SWALLOWS = "swallows"


class Proxy:
    """A loopback port that leads to a Unix socket. `hit`: connections and pieces of traffic that met a fault."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.port = 0
        self.hit = 0
        self.latency_s = 0.0
        self._mood = Mood.WHOLE
        self._carriers: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        carriers = list(self._carriers)
        self.cut()
        await asyncio.gather(*carriers, return_exceptions=True)

    def cut(self) -> None:
        """End every connection; whoever comes is turned away."""
        self._mood = Mood.CUT
        self._abort()

    def swallow(self) -> None:
        """Connections stay, and nothing comes through any more."""
        self._mood = Mood.SWALLOWS

    def slow(self, latency_s: float) -> None:
        self.latency_s = latency_s

    def mend(self) -> None:
        """Carry again. What was swallowed is lost, so that its connections end."""
        swallowed, self._mood, self.latency_s = self._mood is Mood.SWALLOWS, Mood.WHOLE, 0.0
        if swallowed:
            self._abort(counting=False)

    def _abort(self, *, counting: bool = True) -> None:
        for ends in self._carriers.values():
            self.hit += counting
            for end in ends:
                end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mood is Mood.CUT:
            self.hit += 1
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self.path)
        except OSError:
            self.hit += 1
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._carriers[task] = (writer, far_writer)
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            del self._carriers[task]

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while some := await source.read(65_536):
                if self._mood is Mood.SWALLOWS:
                    self.hit += 1
                    continue
                if self.latency_s:
                    self.hit += 1
                    await asyncio.sleep(self.latency_s)
                target.write(some)
                await target.drain()
        target.close()


@asynccontextmanager
async def proxied(path: str) -> AsyncIterator[Proxy]:
    """A whole wire to the socket at this path."""
    proxy = Proxy(path)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
