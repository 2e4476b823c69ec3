"""A subscriber that resumes: it follows the feed, or what can be had of some goods, over any loss of the connection.

    python examples/subscriber.py feed --key urb_app_… --cursor-file feed.cursor
    python examples/subscriber.py availability --channel web --sku TEA --sku POT

The feed goes on after the cursor of the last event that was taken, also after this program was ended: nothing is
missed, nothing comes twice. Availability needs no cursor: the present state comes first whenever it connects.
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

FEED = """subscription ($after: String, $types: [String!]) {
    events(after: $after, types: $types) { cursor node { id type subject version at data } } }"""
AVAILABILITY = """subscription ($channel: String!, $skus: [String!]!) {
    availabilityChanged(channel: $channel, skus: $skus) { sku availability(channel: $channel) { quantity status } } }"""

Variables = Callable[[], dict[str, Any]]
Url = Annotated[str, typer.Option(help="The hub's GraphQL, as ws:// or wss://.")]
Key = Annotated[str | None, typer.Option(help="None: a guest.")]

HUB = "ws://127.0.0.1:8765/graphql"
PROTOCOL = Subprotocol("graphql-transport-ws")

app = typer.Typer()


async def follow(url: str, key: str | None, document: str, variables: Variables) -> AsyncIterator[Any]:
    """What a subscription tells, for ever. `variables` are asked for anew at each connection.

    Errors: `RuntimeError` for what the hub refuses: asking again would not help.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async for socket in connect(url, subprotocols=[PROTOCOL]):  # It comes back after longer and longer pauses.
        try:
            await socket.send(json.dumps({"type": "connection_init", "payload": headers}))
            payload = {"query": document, "variables": variables()}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "ping":
                    await socket.send('{"type":"pong"}')
                elif message["type"] == "next" and not message["payload"].get("errors"):
                    (state,) = message["payload"]["data"].values()
                    yield state
                elif message["type"] in ("error", "next"):
                    raise RuntimeError(json.dumps(message["payload"]))
                elif message["type"] == "complete":
                    break
        except ConnectionClosed as closed:
            if closed.rcvd is not None and 4400 <= closed.rcvd.code < 4500:
                raise RuntimeError(closed.rcvd.reason) from None


@app.command()
def feed(
    cursor_file: Path = Path("feed.cursor"), type: list[str] | None = None, url: Url = HUB, key: Key = None
) -> None:
    """Every event as a line of JSON, from where it left off; the first time, from now on."""

    def keep(edge: dict[str, Any]) -> None:
        """Take the event, then its cursor: whoever dies in between takes this one again."""
        print(json.dumps(edge["node"]), flush=True)
        beside = cursor_file.with_suffix(".part")
        beside.write_text(edge["cursor"])
        beside.replace(cursor_file)

    def variables() -> dict[str, Any]:
        return {"after": cursor_file.read_text() if cursor_file.exists() else None, "types": type or None}

    async def run() -> None:
        async for edge in follow(url, key, FEED, variables):
            keep(edge)

    asyncio.run(run())


@app.command()
def availability(channel: str, sku: list[str], url: Url = HUB, key: Key = None) -> None:
    """What can be had of some goods, now and whenever it changes."""

    async def run() -> None:
        async for variant in follow(url, key, AVAILABILITY, lambda: {"channel": channel, "skus": sku}):
            print(json.dumps(variant), flush=True)

    asyncio.run(run())


if __name__ == "__main__":
    app()
