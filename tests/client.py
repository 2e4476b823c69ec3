"""A client as a front-end developer would write it: HTTP for operations, graphql-transport-ws for subscriptions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

TIMEOUT_S = 20


class Refused(AssertionError):
    """The answer has top-level errors; `codes` are theirs."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        self.errors = errors
        self.codes = [error["extensions"]["code"] for error in errors]
        super().__init__(json.dumps(errors, ensure_ascii=False))


class Client:
    """One caller: with its key, or a guest."""

    def __init__(self, url: str, *, key: str | None = None, channel: str | None = None) -> None:
        self.url = url
        self.key = key
        self.headers = {"authorization": f"Bearer {key}"} if key else {}
        if channel:
            self.headers["uriba-channel"] = channel
        # A test's hub speaks plain HTTP; without this each client reads all authorities' certificates first, for 40 ms.
        self.http = httpx.AsyncClient(headers=self.headers, timeout=TIMEOUT_S, verify=False)  # noqa: S501

    async def raw(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer."""
        response = await self.http.post(self.url, json={"query": query, "variables": variables})
        answer: dict[str, Any] = response.json()
        return answer

    async def run(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer without top-level errors."""
        answer = await self.raw(query, **variables)
        if "errors" in answer:
            raise Refused(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    async def do(self, mutation: str, **variables: Any) -> dict[str, Any]:
        """The payload of a mutation's one field; its errors are the caller's to look at."""
        data = await self.run(mutation, **variables)
        (payload,) = data.values()
        return payload  # type: ignore[no-any-return]

    @asynccontextmanager
    async def subscribe(self, query: str, **variables: Any) -> AsyncIterator[Following]:
        """Follow a subscription while the block lasts."""
        url = self.url.replace("http://", "ws://")
        async with connect(
            url,
            subprotocols=[Subprotocol("graphql-transport-ws")],
            additional_headers={name: value for name, value in self.headers.items() if name != "authorization"},
        ) as socket:
            payload = {"authorization": self.headers["authorization"]} if self.key else {}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            ack = json.loads(await asyncio.wait_for(socket.recv(), TIMEOUT_S))
            assert ack["type"] == "connection_ack", ack
            message = {"id": "1", "type": "subscribe", "payload": {"query": query, "variables": variables}}
            await socket.send(json.dumps(message))
            yield Following(socket)

    async def close(self) -> None:
        await self.http.aclose()


class Following:
    """The events of one subscription."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def message(self) -> dict[str, Any]:
        """The next message as it is on the wire."""
        found: dict[str, Any] = json.loads(await asyncio.wait_for(self._socket.recv(), TIMEOUT_S))
        return found

    async def next(self) -> Any:
        """The next state of the subscription's one field."""
        message = await self.message()
        if message["type"] == "error":
            raise Refused(message["payload"])
        assert message["type"] == "next", message
        if message["payload"].get("errors"):
            raise Refused(message["payload"]["errors"])
        (state,) = message["payload"]["data"].values()
        return state

    async def until(self, wanted: Any) -> Any:
        """The first state for which `wanted(state)` is true; states in between may be skipped, order is kept."""
        while True:
            state = await self.next()
            if wanted(state):
                return state
