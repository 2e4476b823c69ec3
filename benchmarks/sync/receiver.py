"""The receiver of webhooks: its answer depends on the path; it keeps each request with the time of its arrival."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from benchmarks.sync.helper_process import wait_until

ACCEPTED = b"HTTP/1.1 204 No Content\r\n\r\n"
REFUSED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
SLOW_RESPONSE_S = 1.0
WAIT_WITHIN_S = 280


class Receiver:
    """Receives at any path: /fail… is refused, /slow… is accepted after a second, every other path at once."""

    def __init__(self) -> None:
        self._received: dict[str, list[tuple[float, bytes]]] = defaultdict(list)

    async def listen(self) -> int:
        """Start to listen, and return the port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self._received), "127.0.0.1", 0, backlog=1_000)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def count(self, path: str) -> int:
        return len(self._received[path])

    async def first_and_last(self, paths: list[str], expected: int) -> tuple[float, float]:
        """Wait until each path has this many requests; return when the first and the last one arrived."""
        await wait_until(lambda: all(len(self._received[path]) >= expected for path in paths), within_s=WAIT_WITHIN_S)
        times = [at for path in paths for at, _ in self._received[path]]
        return min(times), max(times)

    async def on_hand(self, path: str, level: str, last: int) -> list[tuple[int, float]]:
        """Wait for this on hand of a level, or a lower one; return each state with the time of its arrival."""
        await wait_until(lambda: self._has_reached(path, level, last), within_s=WAIT_WITHIN_S)
        return self._states(path, level)

    async def clear(self) -> None:
        self._received.clear()

    def _has_reached(self, path: str, level: str, last: int) -> bool:
        states = self._states(path, level)
        return bool(states) and states[-1][0] <= last

    def _states(self, path: str, level: str) -> list[tuple[int, float]]:
        level_id = level.encode()
        events: list[tuple[Mapping[str, Any], float]] = [
            (msgspec.json.decode(body), at) for at, body in self._received[path] if level_id in body
        ]
        return [(event["data"]["onHand"], at) for event, at in events if event["subject"] == level]


class _Connection(asyncio.Protocol):
    """One connection, with keep-alive."""

    def __init__(self, received: dict[str, list[tuple[float, bytes]]]) -> None:
        self._received = received
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        self._buffer += data
        while (head_end := self._buffer.find(b"\r\n\r\n") + 4) > 3:
            head = bytes(self._buffer[:head_end]).lower()
            size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._buffer) < head_end + size:
                return
            path = head.split(b" ", 2)[1].decode()
            self._received[path].append((at, bytes(self._buffer[head_end : head_end + size])))
            del self._buffer[: head_end + size]
            self._answer(path)

    def _answer(self, path: str) -> None:
        if path.startswith("/slow"):
            asyncio.get_running_loop().call_later(SLOW_RESPONSE_S, self._write, ACCEPTED)
        else:
            self._write(REFUSED if path.startswith("/fail") else ACCEPTED)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)
