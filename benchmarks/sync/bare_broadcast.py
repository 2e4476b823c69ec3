"""The bare broadcast: the hub's server with an application that sends each POST body to every WebSocket."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from benchmarks.hub import free_port

READY_WITHIN_S = 30
STOP_WITHIN_S = 30

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_sockets: set[Send] = set()
_broadcasts: set[asyncio.Task[None]] = set()
_last_message = ['{"type":"next","payload":{"quantity":0}}']


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """A POST sends its body to all WebSockets. A new WebSocket is acknowledged, and gets the last body first."""
    if scope["type"] == "websocket":
        await _serve_socket(receive, send)
    elif scope["type"] == "http":
        _last_message[0] = await _read_body(receive)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        # After the response, as the hub publishes after the commit.
        task = asyncio.create_task(_broadcast(_last_message[0]))
        _broadcasts.add(task)
        task.add_done_callback(_broadcasts.discard)


async def _serve_socket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
    await receive()
    await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
    await receive()
    await send({"type": "websocket.send", "text": _last_message[0]})
    _sockets.add(send)
    while (await receive())["type"] != "websocket.disconnect":
        pass
    _sockets.discard(send)


async def _read_body(receive: Receive) -> str:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body.decode()


async def _broadcast(text: str) -> None:
    for send in list(_sockets):
        await send({"type": "websocket.send", "text": text})


@contextmanager
def run_bare_broadcast() -> Iterator[int]:
    """Run the broadcast in a separate process, and yield its port."""
    port = free_port()
    process = subprocess.Popen(
        (sys.executable, "-m", "benchmarks.sync.bare_broadcast", str(port)), start_new_session=True
    )
    try:
        _wait_until_ready(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(STOP_WITHIN_S)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.post(f"http://127.0.0.1:{port}/", content=_last_message[0], timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the bare broadcast did not start")


def main(port: str) -> None:
    """Serve until terminated, with the settings that `uriba api` gives uvicorn and one worker."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        http="httptools",
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
