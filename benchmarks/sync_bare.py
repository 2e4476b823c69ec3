"""The bare broadcast: the hub's own server, and an application that sends what it is told to every socket."""

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

READY_S = 30
STOP_S = 30

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_sockets: set[Send] = set()
_telling: set[asyncio.Task[None]] = set()
_now = ['{"type":"next","payload":{"quantity":0}}']


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """POST tells the body to all; a socket is acknowledged, shown what was told last, and told what comes."""
    if scope["type"] == "websocket":
        await _follow(receive, send)
    elif scope["type"] == "http":
        _now[0] = await _body(receive)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        # After the answer, as the hub tells after the commit.
        task = asyncio.create_task(_tell(_now[0]))
        _telling.add(task)
        task.add_done_callback(_telling.discard)


async def _follow(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
    await receive()
    await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
    await receive()
    await send({"type": "websocket.send", "text": _now[0]})
    _sockets.add(send)
    while (await receive())["type"] != "websocket.disconnect":
        pass
    _sockets.discard(send)


async def _body(receive: Receive) -> str:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body.decode()


async def _tell(text: str) -> None:
    for send in list(_sockets):
        await send({"type": "websocket.send", "text": text})


@contextmanager
def broadcasting() -> Iterator[int]:
    """The port of a process of its own."""
    port = free_port()
    process = subprocess.Popen((sys.executable, "-m", "benchmarks.sync_bare", str(port)), start_new_session=True)
    try:
        _await_ready(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(STOP_S)


def _await_ready(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.post(f"http://127.0.0.1:{port}/", content=_now[0], timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the bare broadcast did not come up")


def main(port: str) -> None:
    """Serve until terminated: what `uriba api` gives uvicorn, one worker."""
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
