"""Real parts: PostgreSQL, Valkey, an API server on a loopback port and the worker's loops, started once for all tests.

Tests share one hub and never wait for each other's rows: each makes a shop of its own, with codes of its own. After
every test all invariants are checked over everything.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api_server import serve
from client import Client
from event_conformity import ConformityCheck
from shop import Shop, open_shop
from uriba import app, embedded, invariants
from uriba.checkout.completion import Checkout
from uriba.checkout.gateways.configured import gateways
from uriba.config import Settings
from uriba.db import Database
from uriba.migrate.runner import migrate
from uriba.outbox.database import open_database
from uriba.outbox.hints import COMMITTED, Hints
from uriba.webhooks.dispatcher import Dispatcher
from uriba.worker import runner
from uriba.worker.sweeps import WorkerContext

os.environ["COLUMNS"] = "200"
"""Tables are as wide as what they say, whatever terminal the tests run in."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests wait for processes and clocks too."""
    return (os.cpu_count() or 1) + 1


@dataclass(frozen=True, slots=True)
class RunningHub:
    """The hub under test: its address, its settings, and its database for looking at effects."""

    url: str
    settings: Settings
    database: Database
    work: WorkerContext

    def client(self, key: str | None = None, *, channel: str | None = None) -> Client:
        return Client(self.url, key=key, channel=channel)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.EngineAddresses]:
    with embedded.run_engines(tmp_path_factory.mktemp("hub")) as found:
        yield found


def make_settings(engines: embedded.EngineAddresses, folder: Path, **given: object) -> Settings:
    return Settings(
        data_dir=folder,
        database_url=engines.database_url,
        valkey_url=engines.valkey_url,
        gateway_timeout_s=2.0,
        webhook_retry_s=(0.1, 0.2, 0.3),
        webhook_timeout_s=1.0,
        log_level="ERROR",
        **given,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="session")
async def hub(engines: embedded.EngineAddresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    settings = make_settings(engines, tmp_path_factory.mktemp("settings"))
    assert settings.database_url and settings.valkey_url
    await migrate(settings.database_url, sandbox=True)
    database = open_database(settings)
    hints = Hints(settings.valkey_url)
    database.after_commit = lambda: hints.publish(COMMITTED)
    work = WorkerContext(database, settings, Checkout(database, settings, gateways(database, settings)), hints)
    loops = [
        asyncio.create_task(runner.run_relay(work)),
        asyncio.create_task(Dispatcher(database, hints, settings).run()),
    ]
    async with serve(app.create(settings)) as url:
        yield RunningHub(url, settings, database, work)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await hints.close()
    await database.close()


@pytest.fixture(scope="session")
def conformity(hub: RunningHub) -> ConformityCheck:
    return ConformityCheck(hub.database)


@pytest.fixture
async def shop(hub: RunningHub, conformity: ConformityCheck) -> AsyncIterator[Shop]:
    """A retailer of this test's own; at the end, every invariant holds and every event is as its schema describes it."""
    opened = await open_shop(hub)
    yield opened
    await opened.close()
    broken = [f for f in await invariants.check(hub.database) if f.rows]
    assert not broken, [(f.invariant.name, f.examples) for f in broken]
    assert await conformity.check_new_events() == []
