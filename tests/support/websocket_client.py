"""A WebSocket client that can also send what the protocol does not allow."""

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


class WebSocketClient:
    """Sends and receives single messages."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: object) -> None:
        """Send a message; text and bytes are sent unchanged."""
        await self._connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    async def init(self, **payload: Any) -> None:
        await self.send({"type": "connection_init", "payload": payload})
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, query: str, *, id: str = "1", **variables: Any) -> None:
        await self.send({"id": id, "type": "subscribe", "payload": {"query": query, "variables": variables}})

    async def receive(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self._connection.recv())
        return found

    async def close_code(self) -> int:
        """Wait for the end of the connection and return its close code."""
        with pytest.raises(ConnectionClosed) as end:
            while True:
                await self._connection.recv()
        assert end.value.rcvd is not None
        return end.value.rcvd.code


@asynccontextmanager
async def open_websocket(
    url: str,
    *,
    protocols: Sequence[Subprotocol] | None = (TRANSPORT,),
    origin: str | None = None,
    headers: dict[str, str] | None = None,
) -> AsyncIterator[WebSocketClient]:
    """Open a connection without connection_init; the block may take `TIMEOUT_S` at most."""
    async with (
        asyncio.timeout(TIMEOUT_S),
        connect(
            url.replace("http://", "ws://"),
            subprotocols=protocols,
            origin=Origin(origin) if origin is not None else None,
            additional_headers=headers or {},
        ) as connection,
    ):
        yield WebSocketClient(connection)
