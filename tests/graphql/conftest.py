"""Fixtures of the API's tests: a scenario, and a check that nothing changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from api_scenario import Scenario, open_scenario

from uriba import invariants

if TYPE_CHECKING:
    from conftest import RunningHub

Unchanged = Callable[[], AbstractAsyncContextManager[None]]


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

    @asynccontextmanager
    async def check() -> AsyncIterator[None]:
        before = await _rows(hub)
        yield
        assert await _rows(hub) == before

    return check


# The relay may number events at any time, so events are only counted. Counts of wrong codes may change.
_TABLES = """
    SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname NOT IN ('alembic_version', 'feed', 'handoff_guess') ORDER BY relname
"""


async def _rows(hub: RunningHub) -> dict[str, tuple[int, int]]:
    """Return for each table its number of rows, and the newest transaction that wrote one of them."""
    async with hub.database.reading() as session:
        tables = [row["relname"] for row in await session.fetch(_TABLES)]
        counted = " UNION ALL ".join(
            f"SELECT '{table}' AS name, count(*) AS rows, "
            f"{'0' if table == 'outbox_event' else 'coalesce(max(xmin::text::bigint), 0)'} AS newest FROM {table}"
            for table in tables
        )
        return {row["name"]: (row["rows"], row["newest"]) for row in await session.fetch(counted)}
