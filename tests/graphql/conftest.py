"""Fixtures of the API's tests: a scenario, and a check that nothing changed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.api_scenario import Scenario, open_scenario
from tests.support.hub import RunningHub
from tests.support.table_rows import Unchanged, unchanged_rows
from uriba import invariants


@pytest.fixture(scope="session")
async def scenario(hub: RunningHub) -> AsyncIterator[Scenario]:
    """One scenario for all tests, which change nothing, or nothing that other tests read."""
    opened = await open_scenario(hub)
    yield opened
    await opened.shop.close()
    broken = [f for f in await invariants.check(hub.database) if f.rows]
    assert not broken, [(f.invariant.name, f.examples) for f in broken]


@pytest.fixture
def unchanged(hub: RunningHub) -> Unchanged:
    """`async with unchanged():` checks that its block adds, changes and removes no row of any table."""
    return lambda: unchanged_rows(hub.database)
