"""Waiting for what must happen: looked for again and again until a deadline, never slept for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from uriba.db import Database, Session

LOOK_S = 0.01
DEADLINE_S = 15.0


async def eventually(look: Callable[[], Awaitable[Any]], *, within_s: float = DEADLINE_S) -> Any:
    """The first truthy result of `look`; fails with the last one at the deadline."""
    end = asyncio.get_running_loop().time() + within_s
    while not (found := await look()):
        assert asyncio.get_running_loop().time() < end, f"still {found!r} after {within_s} s"
        await asyncio.sleep(LOOK_S)
    return found


async def numbered(database: Database) -> None:
    """Wait until all events have their places."""

    async def none_waits() -> bool:
        async with database.reading() as session:
            return not await session.fetchval("SELECT count(*) FROM outbox_event WHERE position IS NULL")

    await eventually(none_waits, within_s=30)


async def backend(session: Session) -> int:
    """The PostgreSQL process of this session."""
    return int(await session.fetchval("SELECT pg_backend_pid()"))


async def is_blocked(database: Database, pid: int) -> None:
    """Wait until this process waits for another one's lock."""

    async def look() -> bool:
        async with database.reading() as session:
            return bool(await session.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid))

    await eventually(look)


async def terminate(database: Database, pid: int) -> None:
    """End a PostgreSQL process, and wait until it is gone."""

    async def look() -> bool:
        async with database.reading() as session:
            return await session.fetchval("SELECT true FROM pg_stat_activity WHERE pid = $1", pid) is None

    async with database.reading() as session:
        await session.fetchval("SELECT pg_terminate_backend($1)", pid)
    await eventually(look)
