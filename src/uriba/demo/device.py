"""The devices of the journey: clients of the API with their own keys, as a front-end developer would write them."""

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

from uriba.demo.errors import RequestRefused

TIMEOUT_S = 10
PROTOCOL = Subprotocol("graphql-transport-ws")

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReceivedState:
    """A state that a subscription received. `at_s` is the time of `time.perf_counter`, in seconds."""

    state: JsonObject
    at_s: float


class Subscription:
    """A running subscription of a device. Its states are received in the background."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._received: asyncio.Queue[ReceivedState | RequestRefused] = asyncio.Queue()

    async def wait_for(self, condition: Callable[[JsonObject], bool]) -> ReceivedState:
        """Return the next state that meets the condition. Errors: `RequestRefused`, also if none comes in time."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    received = await self._received.get()
                    if isinstance(received, RequestRefused):
                        raise received
                    if condition(received.state):
                        return received
        except TimeoutError as error:
            raise RequestRefused(f"The subscription did not receive the change within {TIMEOUT_S} s.") from error

    async def receive(self) -> None:
        """Receive messages until the socket closes."""
        async for text in self._socket:
            message = json.loads(text)
            if message["type"] == "next" and not message["payload"].get("errors"):
                (state,) = message["payload"]["data"].values()
                self._received.put_nowait(ReceivedState(state, time.perf_counter()))
            elif message["type"] in {"next", "error"}:
                self._received.put_nowait(RequestRefused(json.dumps(message["payload"])))


class Device:
    """A client with one key."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._authorization = f"Bearer {key}"
        self._http = httpx.AsyncClient(headers={"authorization": self._authorization}, timeout=TIMEOUT_S)

    async def execute(self, document: str, **variables: object) -> Any:
        """Execute a query or mutation, and return its only field. Errors: `RequestRefused`."""
        response = await self._http.post(self._url, json={"query": document, "variables": variables})
        body = response.json()
        if "errors" in body:
            raise RequestRefused("; ".join(error["message"] for error in body["errors"]))
        (field,) = body["data"].values()
        if isinstance(field, dict) and field.get("errors"):
            raise RequestRefused("; ".join(f"{error['code']}: {error['message']}" for error in field["errors"]))
        return field

    @asynccontextmanager
    async def subscribe(self, document: str, **variables: object) -> AsyncIterator[Subscription]:
        """Run a subscription until the block ends. Errors: `RequestRefused`."""
        address = self._url.replace("http", "ws", 1)
        async with connect(address, subprotocols=[PROTOCOL]) as socket:
            await socket.send(
                json.dumps({"type": "connection_init", "payload": {"authorization": self._authorization}})
            )
            acknowledged = json.loads(await asyncio.wait_for(socket.recv(), TIMEOUT_S))
            if acknowledged["type"] != "connection_ack":
                raise RequestRefused(json.dumps(acknowledged))
            payload = {"query": document, "variables": variables}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            subscription = Subscription(socket)
            receiving = asyncio.create_task(subscription.receive())
            try:
                yield subscription
            finally:
                receiving.cancel()
                with suppress(asyncio.CancelledError):
                    await receiving

    async def close(self) -> None:
        await self._http.aclose()
