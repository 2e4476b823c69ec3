"""The demo's hub: the engines, schema and processes that every hub uses, and keys for the demo's devices."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from uriba import embedded
from uriba.access import keys
from uriba.config import Settings, UnsafeSettings, to_environment
from uriba.core.actor import Scope
from uriba.db import Database
from uriba.demo.errors import HubFailed
from uriba.demo.journey import ProgramKeys
from uriba.listener import AddressUnavailable, find_port
from uriba.migrate.runner import migrate
from uriba.outbox.hints import COMMITTED, NUMBERED, Hints

READY_WITHIN_S = 60
POLL_INTERVAL_S = 0.05
STOP_WITHIN_S = 40
"""More than the time that the supervisor takes to drain."""

LOG_LINES_SHOWN = 20


@contextmanager
def engines(settings: Settings, on_step: Callable[[str], None]) -> Iterator[Settings]:
    """Yield the settings with the addresses of running engines: the servers of the settings, or the embedded ones."""
    if settings.production:
        raise UnsafeSettings("The demo creates keys and loads its own goods. It cannot run in production.")
    if settings.database_url and settings.valkey_url:
        on_step("using the PostgreSQL and Valkey of the settings")
        yield settings
        return
    if settings.database_url or settings.valkey_url:
        raise UnsafeSettings("Give both URIBA_DATABASE_URL and URIBA_VALKEY_URL, or neither.")
    with embedded.run_engines(settings.data_dir, on_step=on_step) as engines:
        addresses = {"database_url": engines.database_url, "valkey_url": engines.valkey_url}
        yield settings.model_copy(update=addresses)


async def migrate_schema(settings: Settings) -> None:
    """Migrate the schema to the newest version."""
    assert settings.database_url
    await migrate(settings.database_url, sandbox=settings.has_sandbox)


def with_free_port(settings: Settings) -> Settings:
    """Return the settings with another port if theirs is in use. Errors: `AddressUnavailable`."""
    try:
        find_port(settings.host, settings.port)
    except AddressUnavailable:
        return settings.model_copy(update={"port": find_port(settings.host, 0)})
    return settings


@contextmanager
def run_hub(settings: Settings) -> Iterator[HubProcesses]:
    """Run `uriba up` while the block runs: API and worker under the supervisor. Their output goes to a log file."""
    log = settings.data_dir.resolve() / "hub.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **to_environment(settings)}
    with log.open("wb") as output:
        # In a session of its own, so that Ctrl-C reaches only the demo, which then stops the hub.
        process = subprocess.Popen(
            [sys.executable, "-m", "uriba", "up"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield HubProcesses(settings, process, log)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class HubProcesses:
    """The running processes of the hub."""

    def __init__(self, settings: Settings, process: subprocess.Popen[bytes], log: Path) -> None:
        self._settings = settings
        self._process = process
        self._log = log
        self.address = f"http://{settings.host}:{settings.port}"

    async def wait_until_ready(self) -> float:
        """Wait until the API answers, and relay and API listen for hints; return the seconds. Errors: `HubFailed`."""
        started = time.monotonic()
        assert self._settings.valkey_url
        hints = Hints(self._settings.valkey_url)
        async with httpx.AsyncClient() as client:
            while not (await self._answers(client) and await _have_listeners(hints)):
                if self._process.poll() is not None or time.monotonic() - started > READY_WITHIN_S:
                    raise HubFailed(f"The hub did not start. The end of {self._log}:\n{self._end_of_log()}")
                await asyncio.sleep(POLL_INTERVAL_S)
        await hints.close()
        return time.monotonic() - started

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.address}/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    def wait(self) -> None:
        """Wait until the processes end, which they should not do by themselves. Errors: `HubFailed`."""
        self._process.wait()
        raise HubFailed(f"The hub has ended. The end of {self._log}:\n{self._end_of_log()}")

    def _end_of_log(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])


async def _have_listeners(hints: Hints) -> bool:
    """Return whether a relay listens for commits, and an API process for new positions in the feed."""
    counts = await hints.redis.pubsub_numsub(*map(hints.channel, (COMMITTED, NUMBERED)))
    return all(listeners > 0 for _, listeners in counts)


async def create_keys(database: Database) -> ProgramKeys:
    """Create keys of the retailer's app, web shop and staff."""
    scopes = frozenset({Scope.CUSTOMERS})
    async with database.transaction() as session:
        return ProgramKeys(
            app=(await keys.for_app(session, channel="app", scopes=scopes, name="demo's app")).key,
            web=(await keys.for_app(session, channel="web", scopes=scopes, name="demo's web shop")).key,
            staff=(await keys.for_staff(session, name="demo's staff")).key,
        )


async def create_terminal_key(database: Database, location: str) -> str:
    """Create a terminal at the location, and return its key."""
    async with database.transaction() as session:
        return (await keys.for_terminal(session, location=location, name=f"demo's till at {location}")).key
