"""A subscriber that resumes: it follows the feed, or the availability of some SKUs, also after a lost connection.

    python examples/subscriber.py feed --key uriba_app_… --cursor-file feed.cursor
    python examples/subscriber.py availability web TEA POT

The feed continues after the cursor of the last event that was printed, also after a restart of this program: no event
is missed. Availability needs no cursor: each connection starts with the present state.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

FEED_SUBSCRIPTION = """subscription ($after: String, $types: [String!]) {
    events(after: $after, types: $types) { cursor node { id type subject version at data } } }"""
AVAILABILITY_SUBSCRIPTION = """subscription ($channel: String!, $skus: [String!]!) {
    availabilityChanged(channel: $channel, skus: $skus) { sku availability(channel: $channel) { quantity status } } }"""

Variables = Callable[[], dict[str, Any]]
Url = Annotated[str, typer.Option(help="The hub's GraphQL address, as ws:// or wss://.")]
Key = Annotated[str | None, typer.Option(help="Without a key: a guest.")]

DEFAULT_URL = "ws://127.0.0.1:8000/graphql"
PROTOCOL = Subprotocol("graphql-transport-ws")

app = typer.Typer()


async def follow(url: str, key: str | None, document: str, variables: Variables) -> AsyncIterator[Any]:
    """Yield the results of a subscription without end. `variables` is called again for each connection.

    Errors: `RuntimeError` if the hub refuses the subscription, because then a new connection would not help.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async for socket in connect(url, subprotocols=[PROTOCOL]):  # Reconnects, with growing pauses.
        try:
            await socket.send(json.dumps({"type": "connection_init", "payload": headers}))
            payload = {"query": document, "variables": variables()}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "ping":
                    await socket.send('{"type":"pong"}')
                elif message["type"] == "next" and not message["payload"].get("errors"):
                    (result,) = message["payload"]["data"].values()
                    yield result
                elif message["type"] in ("error", "next"):
                    raise RuntimeError(json.dumps(message["payload"]))
                elif message["type"] == "complete":
                    break
        except ConnectionClosed as closed:
            if closed.rcvd is not None and 4400 <= closed.rcvd.code < 4500:
                raise RuntimeError(closed.rcvd.reason) from None


@app.command()
def feed(
    cursor_file: Path = Path("feed.cursor"), type: list[str] | None = None, url: Url = DEFAULT_URL, key: Key = None
) -> None:
    """Print each event as a line of JSON, after the cursor in the file; without a file, new events only."""

    def print_and_save(edge: dict[str, Any]) -> None:
        """Print the event, then save its cursor. After a crash between the two, the event is printed again."""
        print(json.dumps(edge["node"]), flush=True)
        temporary = cursor_file.with_suffix(".part")
        temporary.write_text(edge["cursor"])
        temporary.replace(cursor_file)

    def variables() -> dict[str, Any]:
        return {"after": cursor_file.read_text() if cursor_file.exists() else None, "types": type or None}

    async def run() -> None:
        async for edge in follow(url, key, FEED_SUBSCRIPTION, variables):
            print_and_save(edge)

    asyncio.run(run())


@app.command()
def availability(channel: str, sku: list[str], url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Print the availability of these SKUs in a channel, now and whenever it changes."""

    async def run() -> None:
        async for variant in follow(url, key, AVAILABILITY_SUBSCRIPTION, lambda: {"channel": channel, "skus": sku}):
            print(json.dumps(variant), flush=True)

    asyncio.run(run())


if __name__ == "__main__":
    app()
