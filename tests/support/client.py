"""A GraphQL client for tests: HTTP for queries and mutations, graphql-transport-ws for subscriptions."""

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
    """The response has top-level errors; `codes` are their codes."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        self.errors = errors
        self.codes = [error["extensions"]["code"] for error in errors]
        super().__init__(json.dumps(errors, ensure_ascii=False))


class Client:
    """A caller with a key, or a guest without one."""

    def __init__(self, url: str, *, key: str | None = None, channel: str | None = None) -> None:
        self.url = url
        self.key = key
        self.headers = {"authorization": f"Bearer {key}"} if key else {}
        if channel:
            self.headers["uriba-channel"] = channel
        # The tests' hub has no TLS. With verify=True each client would first load the CA certificates, which takes 40 ms.
        self.http = httpx.AsyncClient(headers=self.headers, timeout=TIMEOUT_S, verify=False)  # noqa: S501

    async def post(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the whole response."""
        response = await self.http.post(self.url, json={"query": query, "variables": variables})
        body: dict[str, Any] = response.json()
        return body

    async def execute(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data. Errors: `Refused` if the response has top-level errors."""
        response = await self.post(query, **variables)
        if "errors" in response:
            raise Refused(response["errors"])
        data: dict[str, Any] = response["data"]
        return data

    async def mutate(self, mutation: str, **variables: Any) -> dict[str, Any]:
        """Return the payload of a mutation with one field. The payload may have errors."""
        data = await self.execute(mutation, **variables)
        (payload,) = data.values()
        return payload  # type: ignore[no-any-return]

    @asynccontextmanager
    async def subscribe(self, query: str, **variables: Any) -> AsyncIterator[Subscription]:
        """Open a subscription, and close its connection at the end of the block."""
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
            yield Subscription(socket)

    async def close(self) -> None:
        await self.http.aclose()


class Subscription:
    """The results of one subscription."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def next_message(self) -> dict[str, Any]:
        """Return the next message of the protocol, unchanged."""
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self._socket.recv(), TIMEOUT_S))
        return message

    async def next(self) -> Any:
        """Return the next result of a subscription with one field."""
        message = await self.next_message()
        if message["type"] == "error":
            raise Refused(message["payload"])
        assert message["type"] == "next", message
        if message["payload"].get("errors"):
            raise Refused(message["payload"]["errors"])
        (state,) = message["payload"]["data"].values()
        return state

    async def until(self, wanted: Any) -> Any:
        """Return the first result for which `wanted(result)` is true, and skip the results before it."""
        while True:
            state = await self.next()
            if wanted(state):
                return state
