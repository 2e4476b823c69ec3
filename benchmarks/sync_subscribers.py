"""Subscribers: WebSockets by hand, so that a thousand of them cost little beside what is measured.

Frames are told apart by their bytes; the quantity in them is looked for once for each state, not for each subscriber.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, cast

import msgspec

from benchmarks.sync_processes import until

AT_ONCE = 25
OPEN_S = 60
HEAD_ENDS = b"\r\n\r\n"
SHORT, MEDIUM = 125, 65_536
CLOSE, PING, PONG, TEXT = 0x8, 0x9, 0xA, 0x1
QUANTITY = re.compile(rb'"quantity":(\d+)')
INIT = b'{"type":"connection_init","payload":{}}'


def frame(kind: int, content: bytes) -> bytes:
    """A client's frame, with the mask 0."""
    size = len(content)
    sized = bytes((0x80 | size,)) if size <= SHORT else b"\xfe" + size.to_bytes(2, "big")
    return bytes((0x80 | kind,)) + sized + b"\0\0\0\0" + content


class Subscribers:
    """Any number of them, all of one subscription."""

    def __init__(self) -> None:
        self._quantities: dict[bytes, int] = {}
        self._lines: list[_Line] = []

    async def connect(self, port: int, count: int, query: str, variables: Mapping[str, Any]) -> float:
        """Until each has the present state. How many seconds it took."""
        began = time.perf_counter()
        payload = {"query": query, "variables": variables}
        asked = msgspec.json.encode({"id": "1", "type": "subscribe", "payload": payload})
        for start in range(0, count, AT_ONCE):
            some = await asyncio.gather(*(self._open(port, asked) for _ in range(start, min(start + AT_ONCE, count))))
            async with asyncio.timeout(OPEN_S):
                await asyncio.gather(*(line.joined.wait() for line in some))
            self._lines += some
        return time.perf_counter() - began

    async def _open(self, port: int, asked: bytes) -> _Line:
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(lambda: _Line(asked, self._quantities), "127.0.0.1", port)
        return line

    async def sample(self) -> str:
        """A frame as it came."""
        return next(iter(self._quantities)).decode()

    async def quantity(self) -> int:
        """What all of them show now."""
        return self._lines[0].states[-1][1]

    async def heard(self, marks: Sequence[int]) -> list[tuple[float, float, float]]:
        """When the first, the middle and the last subscriber showed each of these quantities, or a lower one."""
        await until(lambda: all(line.states[-1][1] <= marks[-1] for line in self._lines), within_s=OPEN_S)
        by_line = [line.reached(marks) for line in self._lines]
        return [(min(times), median(times), max(times)) for times in zip(*by_line, strict=True)]

    async def frames(self) -> int:
        """How many came, the present states among them."""
        return sum(len(line.states) for line in self._lines)

    async def close(self) -> None:
        for line in self._lines:
            line.close()
        await asyncio.gather(*(line.closed.wait() for line in self._lines))
        self._lines, self._quantities = [], {}


class _Line(asyncio.Protocol):
    """One subscriber: `states` are quantities with the time when they came."""

    def __init__(self, asked: bytes, quantities: dict[bytes, int]) -> None:
        self._asked = asked
        self._quantities = quantities
        self._buffer = bytearray()
        self._upgraded = False
        self.states: list[tuple[float, int]] = []
        self.joined = asyncio.Event()
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            b"GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            b"sec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        self._buffer += data
        if not self._upgraded and not self._upgrade():
            return
        while (found := self._next()) is not None:
            self._take(at, *found)

    def _upgrade(self) -> bool:
        ends = self._buffer.find(HEAD_ENDS)
        if ends < 0:
            return False
        assert self._buffer.startswith(b"HTTP/1.1 101"), bytes(self._buffer)
        del self._buffer[: ends + len(HEAD_ENDS)]
        self._upgraded = True
        self._transport.write(frame(TEXT, INIT))
        return True

    def _next(self) -> tuple[int, bytes] | None:
        """A whole frame: its kind and content."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, starts = buffer[1], 2
        if size > SHORT:
            starts = 4 if size == SHORT + 1 else 10
            size = int.from_bytes(buffer[2:starts], "big")
        if len(buffer) < starts + size:
            return None
        content, kind = bytes(buffer[starts : starts + size]), buffer[0] & 0xF
        del buffer[: starts + size]
        return kind, content

    def _take(self, at: float, kind: int, content: bytes) -> None:
        if kind == PING:
            self._transport.write(frame(PONG, content))
        elif kind == CLOSE:
            self._transport.close()
        elif content in self._quantities:
            self._show(at, self._quantities[content])
        elif shown := QUANTITY.search(content):
            self._quantities[content] = int(shown[1])
            self._show(at, int(shown[1]))
        else:
            assert b'"connection_ack"' in content, content
            self._transport.write(frame(TEXT, self._asked))

    def _show(self, at: float, quantity: int) -> None:
        self.states.append((at, quantity))
        self.joined.set()

    def reached(self, marks: Sequence[int]) -> list[float]:
        """When each quantity, in falling order, or a lower one was shown."""
        states, found = iter(self.states), []
        at, shown = next(states)
        for mark in marks:
            while shown > mark:
                at, shown = next(states)
            found.append(at)
        return found

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.closed.set()
