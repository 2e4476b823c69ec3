"""A check that a block changes no row of any table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from uriba.db import Database

Unchanged = Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def unchanged_rows(database: Database) -> AsyncIterator[None]:
    """Check that the block adds, changes and removes no row of any table."""
    before = await _rows(database)
    yield
    assert await _rows(database) == before


# The relay may number events at any time, so events are only counted. Counts of wrong codes may change.
_TABLES = """
    SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname NOT IN ('alembic_version', 'feed', 'handoff_guess') ORDER BY relname
"""


async def _rows(database: Database) -> dict[str, tuple[int, int]]:
    """Return for each table its number of rows, and the newest transaction that wrote one of them."""
    async with database.reading() as session:
        tables = [row["relname"] for row in await session.fetch(_TABLES)]
        counted = " UNION ALL ".join(
            f"SELECT '{table}' AS name, count(*) AS rows, "
            f"{'0' if table == 'outbox_event' else 'coalesce(max(xmin::text::bigint), 0)'} AS newest FROM {table}"
            for table in tables
        )
        return {row["name"]: (row["rows"], row["newest"]) for row in await session.fetch(counted)}
