"""The hub of the demo: the same engines, schema, goods and processes as anybody's."""

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

from uriba import embedded, supervisor
from uriba.access import keys
from uriba.config import Settings, UnsafeSettings
from uriba.core.actor import Scope
from uriba.db import Database
from uriba.demo.errors import HubFailed
from uriba.demo.journey import Keys
from uriba.migrate.runner import migrate
from uriba.outbox.hints import COMMITTED, NUMBERED, Hints

READY_S = 60
LOOK_S = 0.05
STOP_S = 40
"""Above the supervisor's own drain."""

LOG_LINES = 20


@contextmanager
def engines(settings: Settings, on_step: Callable[[str], None]) -> Iterator[Settings]:
    """The settings with the addresses of running engines: the given servers, or the embedded ones."""
    if settings.production:
        raise UnsafeSettings("The demo makes keys and loads its goods into the hub: it is not for production.")
    if settings.database_url and settings.valkey_url:
        on_step("PostgreSQL and Valkey are those of the settings")
        yield settings
        return
    if settings.database_url or settings.valkey_url:
        raise UnsafeSettings("Give both URIBA_DATABASE_URL and URIBA_VALKEY_URL, or neither.")
    with embedded.run_engines(settings.data_dir, on_step=on_step) as found:
        addresses = {"database_url": found.database_url, "valkey_url": found.valkey_url}
        yield settings.model_copy(update=addresses)


async def migrated(settings: Settings) -> None:
    """Have the newest schema."""
    assert settings.database_url
    await migrate(settings.database_url, sandbox=settings.has_sandbox)


def with_free_port(settings: Settings) -> Settings:
    """The settings with another port where theirs is taken. Errors: `NotListening`."""
    try:
        supervisor.listenable(settings.host, settings.port)
    except supervisor.NotListening:
        return settings.model_copy(update={"port": supervisor.listenable(settings.host, 0)})
    return settings


@contextmanager
def processes(settings: Settings) -> Iterator[Processes]:
    """`uriba up` while the block runs: API and worker, kept running by the supervisor. What they say is in a log."""
    log = settings.data_dir.resolve() / "hub.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    inherited = {**os.environ, **supervisor.environment(settings)}
    with log.open("wb") as written:
        # A session of its own: Ctrl-C reaches only the demo, which stops the hub in its own time.
        running = subprocess.Popen(
            [sys.executable, "-m", "uriba", "up"],
            env=inherited,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
        try:
            yield Processes(settings, running, log)
        finally:
            _stop(running)


def _stop(running: subprocess.Popen[bytes]) -> None:
    running.terminate()
    try:
        running.wait(STOP_S)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


class Processes:
    """The hub's processes, as seen from outside."""

    def __init__(self, settings: Settings, running: subprocess.Popen[bytes], log: Path) -> None:
        self._settings = settings
        self._running = running
        self._log = log
        self.address = f"http://{settings.host}:{settings.port}"

    async def ready(self) -> float:
        """Wait until the API answers and relay and live path listen; the seconds it took. Errors: `HubFailed`."""
        began = time.monotonic()
        assert self._settings.valkey_url
        hints = Hints(self._settings.valkey_url)
        async with httpx.AsyncClient() as client:
            while not (await self._answers(client) and await _listen(hints)):
                if self._running.poll() is not None or time.monotonic() - began > READY_S:
                    raise HubFailed(f"The hub did not start. The end of {self._log}:\n{self._tail()}")
                await asyncio.sleep(LOOK_S)
        await hints.close()
        return time.monotonic() - began

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.address}/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    def wait(self) -> None:
        """Wait until they end by themselves, which they should not. Errors: `HubFailed`."""
        self._running.wait()
        raise HubFailed(f"The hub has ended. The end of {self._log}:\n{self._tail()}")

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])


async def _listen(hints: Hints) -> bool:
    """Whether a relay waits for commits and an API process for what it numbers."""
    heard = await hints.redis.pubsub_numsub(COMMITTED, NUMBERED)
    return all(listeners > 0 for _, listeners in heard)


async def make_keys(database: Database) -> Keys:
    """Keys of the retailer's app, web shop and staff, for this run of the demo."""
    scopes = frozenset({Scope.CUSTOMERS})
    async with database.transaction() as session:
        return Keys(
            app=(await keys.for_app(session, channel="app", scopes=scopes, name="demo's app")).key,
            web=(await keys.for_app(session, channel="web", scopes=scopes, name="demo's web shop")).key,
            staff=(await keys.for_staff(session, name="demo's staff")).key,
        )


async def make_terminal_key(database: Database, location: str) -> str:
    """A key of a new till."""
    async with database.transaction() as session:
        return (await keys.for_terminal(session, location=location, name=f"demo's till at {location}")).key
