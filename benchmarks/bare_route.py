"""The bare route: a litestar application with the hub's server settings that returns prepared bytes."""

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

READY_WITHIN_S = 30
STOP_WITHIN_S = 15


def make_route(name: str, content: bytes) -> type[object]:
    """Return a route that answers every POST with this content, with the headers of a GraphQL response."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

    @post(f"/{name}", status_code=200)
    async def answer() -> Response[bytes]:
        return Response(content, media_type=MediaType.JSON, headers=headers)

    return answer  # type: ignore[return-value]


def make_app(folder: Path) -> Litestar:
    """Return an application with a route for each file."""
    handlers = [make_route(file.name, file.read_bytes()) for file in sorted(folder.iterdir())]
    return Litestar(route_handlers=handlers, openapi_config=None, logging_config=None)


@contextmanager
def run_bare_routes(folder: Path, responses: Mapping[str, Sequence[bytes]]) -> Iterator[int]:
    """Serve these responses from a separate process, each at /NAME-INDEX, and yield its port."""
    folder.mkdir()
    for name, contents in responses.items():
        for index, content in enumerate(contents):
            (folder / f"{name}-{index}").write_bytes(content)
    port = free_port()
    process = subprocess.Popen(
        (sys.executable, "-m", "benchmarks.bare_route", str(folder), str(port)), start_new_session=True
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
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the bare route did not start")


def main(folder: str, port: str) -> None:
    """Serve until terminated, with the settings that `uriba api` gives uvicorn and one worker."""
    uvicorn.run(
        make_app(Path(folder)),
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
