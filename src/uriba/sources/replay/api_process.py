"""An API of the replay's own, on the hub's database: the tills talk to it over HTTP, as to any hub."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from uriba.sources.replay.errors import ReplayFailed

HOST = "127.0.0.1"
READY_S = 60
LOOK_S = 0.05
STOP_S = 30
LOG_LINES = 20


@asynccontextmanager
async def run_api(environment: Mapping[str, str], log: Path) -> AsyncIterator[str]:
    """The address of an API while the block runs. `environment` has the hub's settings; what it says is in a log.

    Every line of the source has a price of its own, so prices other than the price list's are not reported.
    Errors: `ReplayFailed` where it does not come up.
    """
    port = _free_port()
    own = {"URIBA_HOST": HOST, "URIBA_PORT": str(port), "URIBA_PRICE_VARIANCE": "0"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as written:
        # A session of its own: Ctrl-C reaches only us, and the API is stopped when the tills have hung up.
        api = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "uriba", "api"],
            env={**os.environ, **environment, **own},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        await _ready(api, port, log)
        yield f"http://{HOST}:{port}/graphql"
    finally:
        await asyncio.to_thread(_stop, api)


async def _ready(api: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = asyncio.get_running_loop().time() + READY_S
    async with httpx.AsyncClient(trust_env=False) as client:
        while api.poll() is None and asyncio.get_running_loop().time() < until:
            try:
                if (await client.get(f"http://{HOST}:{port}/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(LOOK_S)
    said = await asyncio.to_thread(log.read_text, errors="replace")
    end = "\n".join(said.splitlines()[-LOG_LINES:])
    raise ReplayFailed(f"The API did not start. The end of {log}:\n{end}")


def _stop(api: subprocess.Popen[bytes]) -> None:
    api.terminate()
    try:
        api.wait(STOP_S)
    except subprocess.TimeoutExpired:
        api.kill()
        api.wait()


def _free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
