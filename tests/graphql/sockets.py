"""A bare WebSocket of the API, for what a well-behaved client never does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

TRANSPORT = Subprotocol("graphql-transport-ws")
TIMEOUT_S = 15


class Socket:
    """Messages as they are on the wire."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: object) -> None:
        """A message; text and bytes go as they are."""
        await self._connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    async def begin(self, **payload: Any) -> None:
        await self.send({"type": "connection_init", "payload": payload})
        assert await self.next() == {"type": "connection_ack"}

    async def ask(self, query: str, *, id: str = "1", **variables: Any) -> None:
        await self.send({"id": id, "type": "subscribe", "payload": {"query": query, "variables": variables}})

    async def next(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self._connection.recv())
        return found

    async def closed(self) -> int:
        """The code that the hub closes with."""
        with pytest.raises(ConnectionClosed) as end:
            while True:
                await self._connection.recv()
        assert end.value.rcvd is not None
        return end.value.rcvd.code


@asynccontextmanager
async def opened(
    url: str,
    *,
    protocols: Sequence[Subprotocol] | None = (TRANSPORT,),
    origin: str | None = None,
    headers: dict[str, str] | None = None,
) -> AsyncIterator[Socket]:
    """A socket on which nothing was said yet; whatever is done with it takes 15 seconds at most."""
    async with (
        asyncio.timeout(TIMEOUT_S),
        connect(
            url.replace("http://", "ws://"),
            subprotocols=protocols,
            origin=Origin(origin) if origin is not None else None,
            additional_headers=headers or {},
        ) as connection,
    ):
        yield Socket(connection)
