"""A proxy before Valkey whose connections a test can cut, restore and freeze, and that counts what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit


class ValkeyProxy:
    """A loopback port that forwards to Valkey's socket. `url` names the same database as the URL behind it."""

    def __init__(self, valkey_url: str) -> None:
        behind = urlsplit(valkey_url)
        self._socket_path = behind.path
        self._database = int(parse_qs(behind.query).get("db", ["0"])[0])
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._frozen: set[asyncio.StreamWriter] = set()
        self._sent = b""
        self._sent_more = asyncio.Event()
        self.opened = 0
        """The number of connections so far."""

    @property
    def url(self) -> str:
        return self.url_of(self._database)

    def url_of(self, database: int) -> str:
        """Return the URL of another database of the same Valkey."""
        return f"redis://127.0.0.1:{self._port}/{database}"

    async def listen(self) -> None:
        """Accept connections, after a cut again on the same port."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection and refuse new ones."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self._server = None

    def freeze(self) -> None:
        """Keep the connections that are open now, but forward nothing more on them."""
        self._frozen |= self._writers

    async def wait_until_sent(self, word: bytes, *, times: int) -> None:
        """Wait until this word was sent to Valkey so many times from now on."""
        self._sent = b""
        while self._sent.count(word) < times:
            self._sent_more.clear()
            await self._sent_more.wait()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        valkey_reader, valkey_writer = await asyncio.open_unix_connection(self._socket_path)
        self._writers |= {writer, valkey_writer}
        self.opened += 1
        with suppress(OSError):
            await asyncio.gather(
                self._copy(reader, valkey_writer, self._record), self._copy(valkey_reader, writer, lambda _: None)
            )
        self._writers -= {writer, valkey_writer}

    async def _copy(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, record: Callable[[bytes], None]
    ) -> None:
        try:
            while chunk := await source.read(65_536):
                record(chunk)
                if target not in self._frozen:
                    target.write(chunk)
                    await target.drain()
        finally:
            target.close()

    def _record(self, chunk: bytes) -> None:
        self._sent += chunk
        self._sent_more.set()


@asynccontextmanager
async def valkey_proxy(valkey_url: str) -> AsyncIterator[ValkeyProxy]:
    """Run a proxy before the Valkey of this address."""
    proxy = ValkeyProxy(valkey_url)
    await proxy.listen()
    try:
        yield proxy
    finally:
        if proxy._server is not None:
            await proxy.cut()
