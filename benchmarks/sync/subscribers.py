"""Subscribers: a minimal WebSocket client, so that a thousand subscribers need little CPU time beside the hub.

The quantity in a frame is parsed once for all subscribers that receive the same bytes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, cast

import msgspec

from benchmarks.sync.helper_process import wait_until

CONNECT_BATCH = 25
CHANGE_WITHIN_S = 60
END_OF_HEAD = b"\r\n\r\n"
SHORT_FRAME_BYTES = 125
CLOSE, PING, PONG, TEXT = 0x8, 0x9, 0xA, 0x1
QUANTITY = re.compile(rb'"quantity":(\d+)')
CONNECTION_INIT = b'{"type":"connection_init","payload":{}}'


def make_frame(opcode: int, content: bytes) -> bytes:
    """Return a client's frame, with the mask 0."""
    size = len(content)
    length = bytes((0x80 | size,)) if size <= SHORT_FRAME_BYTES else b"\xfe" + size.to_bytes(2, "big")
    return bytes((0x80 | opcode,)) + length + b"\0\0\0\0" + content


class Subscribers:
    """Any number of subscribers with the same subscription. `marks` are quantities in descending order."""

    def __init__(self) -> None:
        self._quantities: dict[bytes, int] = {}
        self._subscribers: list[_Subscriber] = []

    async def connect(self, port: int, count: int, query: str, variables: Mapping[str, Any]) -> float:
        """Connect, wait until each has the present state, and return the seconds it took."""
        started = time.perf_counter()
        payload = {"query": query, "variables": variables}
        subscribe = msgspec.json.encode({"id": "1", "type": "subscribe", "payload": payload})
        for start in range(0, count, CONNECT_BATCH):
            batch = await asyncio.gather(
                *(self._open(port, subscribe) for _ in range(start, min(start + CONNECT_BATCH, count)))
            )
            async with asyncio.timeout(CHANGE_WITHIN_S):
                await asyncio.gather(*(subscriber.joined.wait() for subscriber in batch))
            self._subscribers += batch
        return time.perf_counter() - started

    async def _open(self, port: int, subscribe: bytes) -> _Subscriber:
        loop = asyncio.get_running_loop()
        _, subscriber = await loop.create_connection(
            lambda: _Subscriber(subscribe, self._quantities), "127.0.0.1", port
        )
        return subscriber

    async def sample_frame(self) -> str:
        """Return the content of a frame."""
        return next(iter(self._quantities)).decode()

    async def quantity(self) -> int:
        """Return the quantity that the first subscriber has now."""
        return self._subscribers[0].states[-1][1]

    async def received_at(self, marks: Sequence[int]) -> list[tuple[float, float, float]]:
        """Return when the first, the median and the last subscriber received each quantity, or a lower one."""
        await wait_until(
            lambda: all(each.states[-1][1] <= marks[-1] for each in self._subscribers), within_s=CHANGE_WITHIN_S
        )
        by_subscriber = [each.received_at(marks) for each in self._subscribers]
        return [(min(times), median(times), max(times)) for times in zip(*by_subscriber, strict=True)]

    async def frame_count(self) -> int:
        """Return the number of received frames, including the present states at the start."""
        return sum(len(each.states) for each in self._subscribers)

    async def close(self) -> None:
        for each in self._subscribers:
            each.close()
        await asyncio.gather(*(each.closed.wait() for each in self._subscribers))
        self._subscribers, self._quantities = [], {}


class _Subscriber(asyncio.Protocol):
    """One subscriber. `states` are quantities with the time when they were received."""

    def __init__(self, subscribe: bytes, quantities: dict[bytes, int]) -> None:
        self._subscribe = subscribe
        self._quantities = quantities
        self._buffer = bytearray()
        self._upgraded = False
        self.states: list[tuple[float, int]] = []
        self.joined = asyncio.Event()
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
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
        while (received := self._next_frame()) is not None:
            self._handle_frame(at, *received)

    def _upgrade(self) -> bool:
        head_end = self._buffer.find(END_OF_HEAD)
        if head_end < 0:
            return False
        assert self._buffer.startswith(b"HTTP/1.1 101"), bytes(self._buffer)
        del self._buffer[: head_end + len(END_OF_HEAD)]
        self._upgraded = True
        self._transport.write(make_frame(TEXT, CONNECTION_INIT))
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        """Return opcode and content of the next frame, if it is complete."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1], 2
        if size > SHORT_FRAME_BYTES:
            start = 4 if size == SHORT_FRAME_BYTES + 1 else 10
            size = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + size:
            return None
        content, opcode = bytes(buffer[start : start + size]), buffer[0] & 0xF
        del buffer[: start + size]
        return opcode, content

    def _handle_frame(self, at: float, opcode: int, content: bytes) -> None:
        if opcode == PING:
            self._transport.write(make_frame(PONG, content))
        elif opcode == CLOSE:
            self._transport.close()
        elif content in self._quantities:
            self._add_state(at, self._quantities[content])
        elif found := QUANTITY.search(content):
            self._quantities[content] = int(found[1])
            self._add_state(at, int(found[1]))
        else:
            assert b'"connection_ack"' in content, content
            self._transport.write(make_frame(TEXT, self._subscribe))

    def _add_state(self, at: float, quantity: int) -> None:
        self.states.append((at, quantity))
        self.joined.set()

    def received_at(self, marks: Sequence[int]) -> list[float]:
        """Return when each quantity, or a lower one, was received. The quantities are in descending order."""
        states, times = iter(self.states), []
        at, quantity = next(states)
        for mark in marks:
            while quantity > mark:
                at, quantity = next(states)
            times.append(at)
        return times

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.closed.set()
