"""One conversation with PostgreSQL: a transaction, or a run of reads.

Two idioms on one connection: `session.fetch` is one asyncpg statement (hot paths, set-based SQL), `session.select` a
SQLAlchemy Core statement (reads with optional filters). Sessions always end their transactions themselves, so that the
pool needs no reset between turns and no statement costs a hidden round trip.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from uriba.config import Settings

Row = Mapping[str, Any]
"""A row as it was read, by column name."""

Told = Callable[[], None]
BeforeCommit = Callable[["Session"], None]

LOST = (
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InterfaceError,
    asyncpg.ConnectionFailureError,
    asyncpg.AdminShutdownError,
    asyncpg.InternalClientError,  # The server's farewell was heard and the end of the line not yet.
    ConnectionError,
)
"""What a lost connection looks like. At COMMIT it means *unknown*, never *failed*."""

ACQUIRE_TIMEOUT_S = 10
COPIED_FROM = 100
"""From so many rows on, COPY costs less than the round trip that it takes."""

_PARAMETER = re.compile(r"\$([0-9]+)")
_DIALECT = dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement without parameters that a connection prepares once, to be run by its name."""

    name: str
    sql: str


@dataclass(frozen=True)
class Insert:
    """Rows of a table to be written: its columns with their types, in the order in which rows give them."""

    table: str
    columns: tuple[tuple[str, str], ...]

    @cached_property
    def names(self) -> list[str]:
        return [name for name, _ in self.columns]

    @cached_property
    def sql(self) -> str:
        """The statement for some rows, a parameter for each column."""
        arrays = ", ".join(f"${n}::{kind}[]" for n, (_, kind) in enumerate(self.columns, 1))
        return f"INSERT INTO {self.table} ({', '.join(self.names)}) SELECT * FROM unnest({arrays})"


class Connection(asyncpg.Connection):
    """asyncpg's, with a memory of what was prepared by name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared: set[str] = set()


class OutcomeUnknown(Exception):
    """The connection was lost at COMMIT: what was done may or may not stand."""


class Session:
    """One connection's turn; never shared between tasks."""

    __slots__ = ("driver", "ended", "pending", "writes")

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.ended = False
        self.pending: list[Any] = []
        self.writes: list[tuple[str, tuple[object, ...]]] = []

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        """All rows of one statement; parameters are $1, $2 …"""
        return await self.driver.fetch(sql, *args)  # type: ignore[no-any-return]

    async def fetchrow(self, sql: str, *args: object) -> Row | None:
        return await self.driver.fetchrow(sql, *args)  # type: ignore[no-any-return]

    async def fetchval(self, sql: str, *args: object) -> Any:
        return await self.driver.fetchval(sql, *args)

    async def run(self, sql: str, *args: object) -> None:
        await self.driver.execute(sql, *args)

    def later(self, sql: str, *args: object) -> None:
        """Put off a write whose result nobody needs: it goes with the last statement of the transaction.

        Writes that go together do not see each other's rows; foreign keys between those are checked after all of them.
        None of them may have a WITH of its own.
        """
        self.writes.append((sql, args))

    async def insert(self, into: Insert, rows: Sequence[tuple[object, ...]]) -> None:
        """Write rows: many at once by COPY, after all that was put off; few are put off themselves."""
        if len(rows) >= COPIED_FROM:
            if self.writes:
                await self.together()
            await self.driver.copy_records_to_table(into.table, columns=into.names, records=rows)
        elif rows:
            self.later(into.sql, *(list(column) for column in zip(*rows, strict=True)))

    async def together(self, sql: str = "SELECT", *args: object) -> None:
        """Run a statement, and with it, in the same round trip, all that was put off."""
        writes, self.writes = self.writes, []
        given = [arg for _, own in writes for arg in own]
        await self.run(_together(tuple(write for write, _ in writes), sql), *given, *args)

    async def prepare(self, statement: Prepared) -> None:
        """Have the connection know a statement; a round trip the first time only."""
        if statement.name not in self.driver.prepared:
            await unbroken(_prepare(self.driver, statement))

    async def finish(self, statement: Prepared) -> None:
        """Run a prepared statement and commit, in one round trip: what it locks is free before we hear of it.

        Errors: `OutcomeUnknown`; the statement's own, and then nothing stands.
        """
        try:
            await unbroken(self.driver.execute(f"EXECUTE {statement.name}; COMMIT"))
        except LOST as error:
            raise OutcomeUnknown from error
        self.ended = True

    async def select(self, statement: Select[*tuple[Any, ...]]) -> list[Row]:
        """All rows of a Core statement, read by name like those of `fetch`."""
        compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        given = compiled.params
        return await self.fetch(compiled.string, *(given[name] for name in compiled.positiontup or ()))


class Database:
    """The pool of connections of one process, and the only place that begins and ends transactions."""

    def __init__(self, url: str, settings: Settings, *, pool_size: int | None = None) -> None:
        self._url = url
        self._settings = settings
        self._size = pool_size or settings.database_pool_size
        self._pool: Any = None
        self._opening = asyncio.Lock()
        self.before_commit: BeforeCommit | None = None
        self.after_commit: Told | None = None

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[Any]:
        if self._pool is None:
            async with self._opening:
                self._pool = self._pool or await _pool(self._url, self._settings, self._size)
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as driver:
            try:
                yield driver
            except (*LOST, OutcomeUnknown):
                _give_up(driver)
                raise

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """A short run of reads, each of them its own snapshot."""
        async with self._turn() as driver:
            yield Session(driver)

    @asynccontextmanager
    async def transaction(self, *, tell: bool = True) -> AsyncIterator[Session]:
        """All or nothing; whoever waits for events is told after the commit, and only then (`tell`).

        Errors: `OutcomeUnknown` where the connection is lost at COMMIT. The caller asks again with its key.
        """
        async with self._turn() as driver:
            session = Session(driver)
            try:
                await driver.execute("BEGIN")
                yield session
                assert not (session.ended and (session.pending or session.writes)), "a write after the commit"
                if session.pending and self.before_commit is not None:
                    self.before_commit(session)
                if session.writes:
                    await session.together()
            except BaseException:
                if not session.ended:
                    await unbroken(_rollback(driver))
                raise
            if not session.ended:
                try:
                    # A request that is cancelled now must not leave us in doubt about what it did.
                    await unbroken(driver.execute("COMMIT"))
                except LOST as error:
                    raise OutcomeUnknown from error
        if tell and self.after_commit is not None:
            self.after_commit()

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


@lru_cache(maxsize=256)
def _together(writes: tuple[str, ...], last: str) -> str:
    """One statement of several: each keeps its parameters, counted on from those of the one before."""
    statements, taken = [], 0
    for sql in (*writes, last):
        statements.append(_PARAMETER.sub(partial(_shifted, by=taken), sql))
        taken += max((int(number) for number in _PARAMETER.findall(sql)), default=0)
    if not writes:
        return last
    parts = ", ".join(f"write_{n} AS ({sql})" for n, sql in enumerate(statements[:-1]))
    return f"WITH {parts} {statements[-1]}"


def _shifted(parameter: re.Match[str], *, by: int) -> str:
    return f"${int(parameter[1]) + by}"


async def _prepare(driver: Any, statement: Prepared) -> None:
    await driver.execute(f"PREPARE {statement.name} AS {statement.sql}")
    driver.prepared.add(statement.name)


async def _rollback(driver: Any) -> None:
    try:
        await driver.execute("ROLLBACK")
    except LOST:
        # PostgreSQL rolls back for whoever is lost; what was lost with the connection is told, not this.
        _give_up(driver)


def _give_up(driver: Any) -> None:
    """A lost connection may not know yet that it is closed: whoever comes next must not get it."""
    with suppress(asyncpg.InterfaceError):  # The pool knew.
        driver.terminate()


async def unbroken(work: Awaitable[Any]) -> None:
    """Await to the end even where the task is cancelled meanwhile, as often as it may be."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    task.result()


def _pool(url: str, settings: Settings, size: int) -> Any:
    return asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        connection_class=Connection,
        init=_speak_json,
        reset=_leave,
        statement_cache_size=500,
        server_settings={
            "application_name": "uriba",
            "timezone": "UTC",
            "jit": "off",
            # Almost every statement looks rows up by keys: planning one anew for each call costs more than running it.
            "plan_cache_mode": "force_generic_plan",
            "lock_timeout": str(int(settings.lock_timeout_s * 1000)),
            "statement_timeout": str(int(settings.statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": str(int(settings.idle_timeout_s * 1000)),
        },
    )


async def _speak_json(driver: Any) -> None:
    """JSON comes as Python values; it is given as text, encoded by whoever knows its shape."""
    await driver.set_type_codec(
        "json", encoder=str.encode, decoder=msgspec.json.decode, schema="pg_catalog", format="binary"
    )
    await driver.set_type_codec("jsonb", encoder=_to_jsonb, decoder=_from_jsonb, schema="pg_catalog", format="binary")


def _to_jsonb(text: str) -> bytes:
    return _JSONB + text.encode()


def _from_jsonb(stored: bytes) -> Any:
    return msgspec.json.decode(memoryview(stored)[1:])


_JSONB = b"\x01"
"""The version that PostgreSQL's binary format of jsonb begins with."""


async def _leave(driver: Any) -> None:
    """Nothing is left to reset: every session has ended its own transaction."""


__all__ = ["LOST", "Database", "OutcomeUnknown", "Row", "Session"]
