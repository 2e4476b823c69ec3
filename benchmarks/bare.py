"""The bare route: litestar behind the hub's own server settings, returning bytes that are ready."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from litestar import Litestar, MediaType, Response, post

from benchmarks.hub import free_port

READY_S = 30
STOP_S = 15


def route(name: str, content: bytes) -> type[object]:
    """A route that answers whatever it is sent with this content, as GraphQL does."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

    @post(f"/{name}", status_code=200)
    async def answer() -> Response[bytes]:
        return Response(content, media_type=MediaType.JSON, headers=headers)

    return answer  # type: ignore[return-value]


def app(folder: Path) -> Litestar:
    """A route for each file."""
    handlers = [route(file.name, file.read_bytes()) for file in sorted(folder.iterdir())]
    return Litestar(route_handlers=handlers, openapi_config=None, logging_config=None)


@contextmanager
def serving(folder: Path, answers: Mapping[str, Sequence[bytes]]) -> Iterator[int]:
    """The port of a process of its own that serves these answers, each at /NAME-INDEX."""
    folder.mkdir()
    for name, contents in answers.items():
        for index, content in enumerate(contents):
            (folder / f"{name}-{index}").write_bytes(content)
    port = free_port()
    process = subprocess.Popen(
        (sys.executable, "-m", "benchmarks.bare", str(folder), str(port)), start_new_session=True
    )
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
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the bare route did not come up")


def main(folder: str, port: str) -> None:
    """Serve until terminated: what `uriba api` gives uvicorn, one worker."""
    uvicorn.run(
        app(Path(folder)),
        host="127.0.0.1",
        port=int(port),
        http="httptools",
        loop="uvloop",
        ws="websockets-sansio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
