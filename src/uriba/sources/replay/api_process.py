"""An API process for a replay, on the hub's database. The tills talk to it over HTTP as to any hub."""

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
POLL_S = 0.05
STOP_S = 30
LOG_LINES = 20


@asynccontextmanager
async def run_api(environment: Mapping[str, str], log: Path) -> AsyncIterator[str]:
    """Run an API while the block runs, and give its GraphQL address.

    `environment` has the hub's settings; the output of the process goes to `log`. Reports of prices that differ from
    the price list are switched off, because every line of the source has a price of its own.
    Errors: `ReplayFailed` if the API does not become ready.
    """
    port = _free_port()
    settings = {"URIBA_HOST": HOST, "URIBA_PORT": str(port), "URIBA_PRICE_VARIANCE": "0"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # In a session of its own, so that Ctrl-C does not reach it: it is stopped after the tills have disconnected.
        api = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "uriba", "api"],
            env={**os.environ, **environment, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        await _wait_until_ready(api, port, log)
        yield f"http://{HOST}:{port}/graphql"
    finally:
        await asyncio.to_thread(_stop, api)


async def _wait_until_ready(api: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + READY_S
    async with httpx.AsyncClient(trust_env=False) as client:
        while api.poll() is None and asyncio.get_running_loop().time() < deadline:
            try:
                if (await client.get(f"http://{HOST}:{port}/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(POLL_S)
    output = await asyncio.to_thread(log.read_text, errors="replace")
    end = "\n".join(output.splitlines()[-LOG_LINES:])
    raise ReplayFailed(f"The API did not start. The last lines of {log}:\n{end}")


def _stop(api: subprocess.Popen[bytes]) -> None:
    api.terminate()
    try:
        api.wait(STOP_S)
    except subprocess.TimeoutExpired:
        api.kill()
        api.wait()


def _free_port() -> int:
    """Return a port of the loopback interface that no process listens on."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
