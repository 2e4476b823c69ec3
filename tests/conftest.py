"""Fixtures: a hub with a real PostgreSQL and Valkey, an API server on a loopback port, and the loops of the worker.

All tests of a process share one hub. Each test creates a separate shop with unique codes, so tests do not block each
other. After each module that uses a shop, and at the end of the run, all invariants are checked over all data.

Fixtures import what they use when they run, so that tests without engines start soon.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support.run_hooks import END_OF_RUN, FailureRecord, ProcessGuard

if TYPE_CHECKING:
    from tests.support.hub import RunningHub
    from tests.support.hub_check import HubCheck
    from tests.support.shop import Shop
    from uriba.embedded import EngineAddresses

os.environ["COLUMNS"] = "200"
"""A fixed width, so that the output of tables does not depend on the terminal."""

WORKERS_MAX = 4
"""More workers would need more connections than their one PostgreSQL has: see `tests.support.engines`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("uriba")
    group.addoption("--check-each-test", action="store_true", help="check the invariants after each test of a shop")
    group.addoption("--failed-file", type=Path, help="write what failed to this file, to run it again")


def pytest_configure(config: pytest.Config) -> None:
    workers = getattr(config.option, "numprocesses", None)
    if isinstance(workers, int) and workers > WORKERS_MAX:
        raise pytest.UsageError(f"At most {WORKERS_MAX} workers share one PostgreSQL. Use -n {WORKERS_MAX} or -n auto.")
    # SIGTERM ends the run as Ctrl-C does: fixtures stop what they have started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # How long an example takes depends on the machine's load, and is not what property tests are about.
    settings.register_profile("uriba", settings(deadline=None, suppress_health_check=[HealthCheck.too_slow]))
    settings.load_profile("uriba")
    config.pluginmanager.register(ProcessGuard())
    if config.option.failed_file and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailureRecord(config.option.failed_file))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than the number of cores, because tests also wait for processes and timers."""
    return min((os.cpu_count() or 1) + 1, WORKERS_MAX)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the engines, before `-m` selects by marker."""
    for item in items:
        if "engines" in getattr(item, "fixturenames", ()):
            item.add_marker("engines")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the engines if a worker was killed."""
    factory: pytest.TempPathFactory | None = getattr(config, "_tmp_path_factory", None)
    if factory and factory._basetemp and not hasattr(config, "workerinput"):
        from tests.support.engines import run_folder, stop_engines

        stop_engines(run_folder(factory.getbasetemp()))


@pytest.fixture(scope="session")
async def engines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EngineAddresses]:
    from tests.support.engines import run_folder, shared_engines

    async with shared_engines(run_folder(tmp_path_factory.getbasetemp())) as addresses:
        yield addresses


@pytest.fixture(scope="session")
async def hub(engines: EngineAddresses, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHub]:
    from tests.support.hub import make_settings
    from tests.support.hub_server import run_hub

    async with run_hub(make_settings(engines, tmp_path_factory.mktemp("settings"))) as running:
        yield running


@pytest.fixture(scope="session")
async def hub_check(hub: RunningHub) -> AsyncIterator[HubCheck]:
    from tests.support.hub_check import HubCheck

    check = HubCheck(hub.database)
    yield check
    await check.check(END_OF_RUN)


@pytest.fixture(scope="module")
async def check_after_module(hub_check: HubCheck, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Check the invariants and the new events after the module's last test."""
    yield
    await hub_check.check(request.node.nodeid)


@pytest.fixture
async def shop(
    hub: RunningHub, hub_check: HubCheck, check_after_module: None, request: pytest.FixtureRequest
) -> AsyncIterator[Shop]:
    """Create a separate retailer."""
    from tests.support.shop import open_shop

    opened = await open_shop(hub)
    yield opened
    await opened.close()
    if request.config.option.check_each_test:
        await hub_check.check(request.node.nodeid)
