"""Fixtures: a hub with a real PostgreSQL and Valkey, an API server on a loopback port, and the loops of the worker.

All tests of a process share one hub. Each test creates a separate shop with unique codes, so tests do not block each
other. After each test that uses a shop, all invariants are checked over all data.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.api_server import serve
from tests.support.event_conformity import ConformityCheck
from tests.support.hub import RunningHub, make_settings
from tests.support.shop import Shop, open_shop
from uriba import app, embedded, invariants
from uriba.checkout.completion import Checkout
from uriba.checkout.gateways.configured import gateways
from uriba.migrate.runner import migrate
from uriba.outbox.database import open_database
from uriba.outbox.hints import COMMITTED, Hints
from uriba.webhooks.dispatcher import Dispatcher
from uriba.worker import runner
from uriba.worker.sweeps import WorkerContext

os.environ["COLUMNS"] = "200"
"""A fixed width, so that the output of tables does not depend on the terminal."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than the number of cores, because tests also wait for processes and timers."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.EngineAddresses]:
    with embedded.run_engines(tmp_path_factory.mktemp("hub")) as addresses:
        yield addresses


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
    """Create a separate retailer; at the end, check all invariants, and all new events against their schemas."""
    opened = await open_shop(hub)
    yield opened
    await opened.close()
    violations = [finding for finding in await invariants.check(hub.database) if finding.rows]
    assert not violations, [(finding.invariant.name, finding.examples) for finding in violations]
    assert await conformity.check_new_events() == []
