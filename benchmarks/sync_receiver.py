"""The receiver of webhooks: it answers at once, never well, or late, by the path, and notes when what came."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from benchmarks.sync_processes import until

TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
REFUSED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
SLOW_S = 1.0
WAIT_S = 280


class Receiver:
    """What came, by path: /ok… is taken, /fail… is refused, /slow… is taken after a second."""

    def __init__(self) -> None:
        self._came: dict[str, list[tuple[float, bytes]]] = defaultdict(list)

    async def open(self) -> int:
        """The port that it listens on."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Line(self._came), "127.0.0.1", 0, backlog=1_000)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def count(self, path: str) -> int:
        return len(self._came[path])

    async def rate(self, paths: list[str], expected: int) -> tuple[float, float]:
        """Wait until each path has so many; when the first and the last of all came."""
        await until(lambda: all(len(self._came[path]) >= expected for path in paths), within_s=WAIT_S)
        times = [at for path in paths for at, _ in self._came[path]]
        return min(times), max(times)

    async def on_hand(self, path: str, level: str, least: int) -> list[tuple[int, float]]:
        """Of one stock level: each state and when it came, once the last one is there."""
        await until(lambda: self._shows(path, level, least), within_s=WAIT_S)
        return self._states(path, level)

    async def forget(self) -> None:
        self._came.clear()

    def _shows(self, path: str, level: str, least: int) -> bool:
        found = self._states(path, level)
        return bool(found) and found[-1][0] <= least

    def _states(self, path: str, level: str) -> list[tuple[int, float]]:
        wanted = level.encode()
        events: list[tuple[Mapping[str, Any], float]] = [
            (msgspec.json.decode(body), at) for at, body in self._came[path] if wanted in body
        ]
        return [(event["data"]["onHand"], at) for event, at in events if event["subject"] == level]


class _Line(asyncio.Protocol):
    """One connection, which stays open."""

    def __init__(self, came: dict[str, list[tuple[float, bytes]]]) -> None:
        self._came = came
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        self._buffer += data
        while (ends := self._buffer.find(b"\r\n\r\n") + 4) > 3:
            head = bytes(self._buffer[:ends]).lower()
            size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._buffer) < ends + size:
                return
            path = head.split(b" ", 2)[1].decode()
            self._came[path].append((at, bytes(self._buffer[ends : ends + size])))
            del self._buffer[: ends + size]
            self._answer(path)

    def _answer(self, path: str) -> None:
        if path.startswith("/slow"):
            asyncio.get_running_loop().call_later(SLOW_S, self._write, TAKEN)
        else:
            self._write(REFUSED if path.startswith("/fail") else TAKEN)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)
