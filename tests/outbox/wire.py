"""A wire to Valkey that a test can cut, mend and make mute, and that counts what goes through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Wire:
    """A loopback port that leads to Valkey's socket, while it is whole."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._port = 0
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._mute: set[asyncio.StreamWriter] = set()
        self._sent = b""
        self._more = asyncio.Event()
        self.opened = 0
        """How many connections there have been."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}"

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection, and let none in."""
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()
        self._server = None

    def mute(self) -> None:
        """The connections of now stay, and carry nothing any more."""
        self._mute |= self._ends

    async def carried(self, word: bytes, *, times: int) -> None:
        """Wait until this was sent to Valkey so often from now on."""
        self._sent = b""
        while self._sent.count(word) < times:
            self._more.clear()
            await self._more.wait()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._path)
        self._ends |= {writer, far_writer}
        self.opened += 1
        with suppress(OSError):
            await asyncio.gather(self._pump(reader, far_writer, self._note), self._pump(far_reader, writer))
        self._ends -= {writer, far_writer}

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        note: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        try:
            while some := await source.read(65_536):
                note(some)
                if target not in self._mute:
                    target.write(some)
                    await target.drain()
        finally:
            target.close()

    def _note(self, some: bytes) -> None:
        self._sent += some
        self._more.set()


@asynccontextmanager
async def wire_to(valkey_url: str) -> AsyncIterator[Wire]:
    """A whole wire to the Valkey of this address."""
    wire = Wire(urlsplit(valkey_url).path)
    await wire.mend()
    try:
        yield wire
    finally:
        if wire._server is not None:
            await wire.cut()
