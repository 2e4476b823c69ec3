"""Wait for conditions: poll until they are true, and fail at a deadline. Tests never sleep for a fixed time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from uriba.db import Database, Session

POLL_INTERVAL_S = 0.01
DEADLINE_S = 15.0


async def wait_until(condition: Callable[[], Awaitable[Any]], *, within_s: float = DEADLINE_S) -> Any:
    """Call `condition` until its result is truthy, and return that; fail with the last result at the deadline."""
    end = asyncio.get_running_loop().time() + within_s
    while not (result := await condition()):
        assert asyncio.get_running_loop().time() < end, f"still {result!r} after {within_s} s"
        await asyncio.sleep(POLL_INTERVAL_S)
    return result


async def wait_for_positions(database: Database) -> None:
    """Wait until all events have their position in the feed."""

    async def all_have_positions() -> bool:
        async with database.reading() as session:
            return not await session.fetchval("SELECT count(*) FROM outbox_event WHERE position IS NULL")

    await wait_until(all_have_positions, within_s=30)


async def backend_pid(session: Session) -> int:
    """Return the id of the PostgreSQL process that serves this session."""
    return int(await session.fetchval("SELECT pg_backend_pid()"))


async def wait_until_blocked(database: Database, pid: int) -> None:
    """Wait until this PostgreSQL process waits for a lock of another one."""

    async def is_blocked() -> bool:
        async with database.reading() as session:
            return bool(await session.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid))

    await wait_until(is_blocked)


async def terminate_backend(database: Database, pid: int) -> None:
    """End a PostgreSQL process, and wait until it is gone."""

    async def is_gone() -> bool:
        async with database.reading() as session:
            return await session.fetchval("SELECT true FROM pg_stat_activity WHERE pid = $1", pid) is None

    async with database.reading() as session:
        await session.fetchval("SELECT pg_terminate_backend($1)", pid)
    await wait_until(is_gone)
