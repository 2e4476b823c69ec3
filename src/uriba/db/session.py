"""One conversation with PostgreSQL: a transaction, or a run of reads.

Both idioms run on the same connection: `session.fetch` is one asyncpg statement (hot paths, set-based SQL) and
`session.select` is a SQLAlchemy Core statement (reads with optional filters). The connection is in AUTOCOMMIT for
SQLAlchemy; BEGIN and COMMIT are ours, so that both idioms share one transaction and none costs a hidden round trip.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import Executable, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from uriba.config import Settings

Row = Mapping[str, Any]
"""A row as it was read, by column name."""

Told = Callable[[], None]
BeforeCommit = Callable[["Session"], Awaitable[None]]

LOST = (
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InterfaceError,
    asyncpg.ConnectionFailureError,
    asyncpg.AdminShutdownError,
    ConnectionError,
)
"""What a lost connection looks like. At COMMIT it means *unknown*, never *failed*."""


class OutcomeUnknown(Exception):
    """The connection was lost at COMMIT: what was done may or may not stand."""


class Session:
    """One connection's turn; never shared between tasks."""

    __slots__ = ("connection", "driver", "pending")

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection[Any]) -> None:
        self.connection = connection
        self.driver = driver
        self.pending: list[Any] = []

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        """All rows of one statement; parameters are $1, $2 …"""
        return await self.driver.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Row | None:
        return await self.driver.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        return await self.driver.fetchval(sql, *args)

    async def run(self, sql: str, *args: object) -> None:
        await self.driver.execute(sql, *args)

    async def select(self, statement: Executable) -> Sequence[Row]:
        """All rows of a Core statement, read by name like those of `fetch`."""
        return (await self.connection.execute(statement)).mappings().all()  # type: ignore[return-value]


class Database:
    """The pool of connections of one process, and the only place that begins and ends transactions."""

    def __init__(self, url: str, settings: Settings, *, pool_size: int | None = None) -> None:
        self.engine = _engine(url, settings, pool_size or settings.database_pool_size)
        self.before_commit: BeforeCommit | None = None
        self.after_commit: Told | None = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """A short run of reads, each of them its own snapshot."""
        async with self.engine.connect() as connection:
            yield await _session(connection)

    @asynccontextmanager
    async def transaction(self, *, tell: bool = True) -> AsyncIterator[Session]:
        """All or nothing; whoever waits for events is told after the commit, and only then (`tell`).

        Errors: `OutcomeUnknown` where the connection is lost at COMMIT. The caller asks again with its key.
        """
        async with self.engine.connect() as connection:
            session = await _session(connection)
            await session.driver.execute("BEGIN")
            try:
                yield session
                if session.pending and self.before_commit is not None:
                    await self.before_commit(session)
            except BaseException:
                await _unbroken(_rollback(session.driver))
                raise
            try:
                # A request that is cancelled now must not leave us in doubt about what it did.
                await _unbroken(session.driver.execute("COMMIT"))
            except LOST as error:
                raise OutcomeUnknown from error
        if tell and self.after_commit is not None:
            self.after_commit()

    async def close(self) -> None:
        await self.engine.dispose()


async def _session(connection: AsyncConnection) -> Session:
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    if driver.is_closed():
        # PostgreSQL went away while this connection lay in the pool: take a new one in its place.
        await connection.invalidate()
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
    return Session(connection, driver)


async def _rollback(driver: asyncpg.Connection[Any]) -> None:
    if not driver.is_closed():
        await driver.execute("ROLLBACK")


async def _unbroken(work: Awaitable[Any]) -> None:
    """Await to the end even where the task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait({task})
        raise


def _engine(url: str, settings: Settings, pool_size: int) -> AsyncEngine:
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        isolation_level="AUTOCOMMIT",
        json_deserializer=msgspec.json.decode,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=False,
        pool_reset_on_return=None,
        connect_args={
            "statement_cache_size": 500,
            "server_settings": {
                "application_name": "uriba",
                "timezone": "UTC",
                "jit": "off",
                "lock_timeout": str(int(settings.lock_timeout_s * 1000)),
                "statement_timeout": str(int(settings.statement_timeout_s * 1000)),
                "idle_in_transaction_session_timeout": "30000",
            },
        },
    )


__all__ = ["LOST", "Database", "OutcomeUnknown", "Row", "Session"]
