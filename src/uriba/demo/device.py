"""Devices of the story: each a caller of its own, as a front-end developer would write it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

TIMEOUT_S = 10
PROTOCOL = Subprotocol("graphql-transport-ws")

Answer = dict[str, Any]


class Refused(Exception):
    """The hub refused what the story needs."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A state that a screen showed, and when, by this machine's own clock in seconds."""

    state: Answer
    at_s: float


class Screen:
    """What a device shows of one subscription, kept up to date in the background."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._shown: asyncio.Queue[Seen | Refused] = asyncio.Queue()

    async def until(self, wanted: Callable[[Answer], bool]) -> Seen:
        """The first state not seen yet that is the wanted one. Errors: `Refused`, also where none comes in time."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    seen = await self._shown.get()
                    if isinstance(seen, Refused):
                        raise seen
                    if wanted(seen.state):
                        return seen
        except TimeoutError as error:
            raise Refused(f"The screen did not show the change within {TIMEOUT_S} s.") from error

    async def follow(self) -> None:
        """Take in messages for as long as the socket is open."""
        async for text in self._socket:
            message = json.loads(text)
            if message["type"] == "next" and not message["payload"].get("errors"):
                (state,) = message["payload"]["data"].values()
                self._shown.put_nowait(Seen(state, time.perf_counter()))
            elif message["type"] in {"next", "error"}:
                self._shown.put_nowait(Refused(json.dumps(message["payload"])))


class Device:
    """One caller with its key."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._authorization = f"Bearer {key}"
        self._http = httpx.AsyncClient(headers={"authorization": self._authorization}, timeout=TIMEOUT_S)

    async def ask(self, document: str, **variables: object) -> Any:
        """The one field of a query or mutation. Errors: `Refused`."""
        response = await self._http.post(self._url, json={"query": document, "variables": variables})
        answer = response.json()
        if "errors" in answer:
            raise Refused("; ".join(error["message"] for error in answer["errors"]))
        (field,) = answer["data"].values()
        if isinstance(field, dict) and field.get("errors"):
            raise Refused("; ".join(f"{error['code']}: {error['message']}" for error in field["errors"]))
        return field

    @asynccontextmanager
    async def open(self, document: str, **variables: object) -> AsyncIterator[Screen]:
        """A screen that shows a subscription while the block lasts."""
        address = self._url.replace("http", "ws", 1)
        async with connect(address, subprotocols=[PROTOCOL]) as socket:
            await socket.send(
                json.dumps({"type": "connection_init", "payload": {"authorization": self._authorization}})
            )
            acknowledged = json.loads(await asyncio.wait_for(socket.recv(), TIMEOUT_S))
            if acknowledged["type"] != "connection_ack":
                raise Refused(json.dumps(acknowledged))
            payload = {"query": document, "variables": variables}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            screen = Screen(socket)
            following = asyncio.create_task(screen.follow())
            try:
                yield screen
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError):
                    await following

    async def close(self) -> None:
        await self._http.aclose()
