"""A session with PostgreSQL: one transaction, or a run of reads, on one connection of the pool.

`session.fetch` and its relatives run one `Statement` with named parameters. Sessions always end their own transactions,
so the pool resets nothing between turns and no statement costs a hidden round trip.
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

from uriba.config import Settings
from uriba.db.statements import Statement

Row = Mapping[str, Any]
"""A row of a result, by column name."""

AfterCommit = Callable[[], None]
BeforeFlush = Callable[["Session"], None]

CONNECTION_LOST = (
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InterfaceError,
    asyncpg.ConnectionFailureError,
    asyncpg.AdminShutdownError,
    asyncpg.InternalClientError,  # The server has ended the connection, and the socket is not closed yet.
    ConnectionError,
)
"""Errors of a lost connection. At COMMIT they mean that the outcome is unknown, never that the transaction failed."""

ACQUIRE_TIMEOUT_S = 10
COPY_ROWS_MIN = 100
"""From this number of rows on, COPY costs less than the round trip that it takes."""

_PARAMETER = re.compile(r"\$([0-9]+)")
_WITH = re.compile(r"\s*WITH\s+(?!RECURSIVE)")


@dataclass(frozen=True, slots=True)
class PreparedStatement:
    """A statement without parameters that each connection prepares once and then runs by its name."""

    name: str
    sql: str


@dataclass(frozen=True)
class Insert:
    """An INSERT of many rows: the table and its columns with their types, in the order of the rows' values."""

    table: str
    columns: tuple[tuple[str, str], ...]

    @cached_property
    def names(self) -> list[str]:
        return [name for name, _ in self.columns]

    @cached_property
    def sql(self) -> str:
        """The statement for a few rows, one array parameter for each column."""
        arrays = ", ".join(f"${n}::{kind}[]" for n, (_, kind) in enumerate(self.columns, 1))
        return f"INSERT INTO {self.table} ({', '.join(self.names)}) SELECT * FROM unnest({arrays})"


class Connection(asyncpg.Connection):
    """asyncpg's connection, which also knows which statements it has prepared by name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared: set[str] = set()


class OutcomeUnknown(Exception):
    """The connection was lost at COMMIT: the transaction may or may not have been committed."""


@dataclass(frozen=True, slots=True, eq=False)
class DeferredWrite:
    """A write that waits for the next flush."""

    sql: str
    arguments: Sequence[object]


class Session:
    """A transaction or a run of reads on one connection. Not to be shared between tasks."""

    __slots__ = ("before_flush", "committed", "deferred", "driver", "events", "key")

    def __init__(self, driver: Any, before_flush: BeforeFlush | None = None) -> None:
        self.driver = driver
        self.before_flush = before_flush
        self.committed = False
        self.events: list[Any] = []
        self.deferred: list[DeferredWrite] = []
        self.key: DeferredWrite | None = None

    async def fetch(self, statement: Statement | str, /, *args: object, **params: object) -> list[Row]:
        """Return all rows of a statement."""
        sql, arguments = _bind(statement, args, params)
        return await self.driver.fetch(sql, *arguments)  # type: ignore[no-any-return]

    async def fetchrow(self, statement: Statement | str, /, *args: object, **params: object) -> Row | None:
        """Return the first row, if there is one."""
        sql, arguments = _bind(statement, args, params)
        return await self.driver.fetchrow(sql, *arguments)  # type: ignore[no-any-return]

    async def fetchval(self, statement: Statement | str, /, *args: object, **params: object) -> Any:
        """Return the first value of the first row, if there is one."""
        sql, arguments = _bind(statement, args, params)
        return await self.driver.fetchval(sql, *arguments)

    async def run(self, statement: Statement | str, /, *args: object, **params: object) -> None:
        """Run a statement whose rows are not needed."""
        sql, arguments = _bind(statement, args, params)
        await self.driver.execute(sql, *arguments)

    def defer(self, statement: Statement | str, /, *args: object, **params: object) -> DeferredWrite:
        """Put a write off until the next flush, or the commit: it then shares a round trip with other statements.

        Writes of one flush do not see each other's rows; foreign keys between them are checked after all of them.
        A deferred write may have no WITH of its own.
        """
        write = DeferredWrite(*_bind(statement, args, params))
        self.deferred.append(write)
        return write

    def withdraw(self, write: DeferredWrite) -> None:
        """Drop a deferred write that has not been flushed."""
        self.deferred.remove(write)

    async def insert(self, into: Insert, rows: Sequence[tuple[object, ...]]) -> None:
        """Write rows: many by COPY, after a flush; a few by a deferred write."""
        if len(rows) >= COPY_ROWS_MIN:
            if self.deferred:
                await self.flush()
            await self.driver.copy_records_to_table(into.table, columns=into.names, records=rows)
        elif rows:
            self.deferred.append(DeferredWrite(into.sql, [list(column) for column in zip(*rows, strict=True)]))

    async def flush(self) -> None:
        """Run all deferred writes, emitted events included, in one round trip."""
        await self._flush_with(_NOTHING, ())

    async def flush_and_fetch(self, statement: Statement, /, **params: object) -> list[Row]:
        """Run all deferred writes, emitted events included, and a statement, in one round trip; return its rows.

        The statement does not see the rows that the deferred writes change.
        """
        return await self._flush_with(statement.sql, statement.arguments(params))

    async def _flush_with(self, sql: str, arguments: Sequence[object]) -> list[Row]:
        if self.events and self.before_flush is not None:
            self.before_flush(self)
        writes, self.deferred = self.deferred, []
        if not writes:
            return await self.driver.fetch(sql, *arguments)  # type: ignore[no-any-return]
        deferred_arguments = [argument for write in writes for argument in write.arguments]
        joined = _join(tuple(write.sql for write in writes), sql)
        return await self.driver.fetch(joined, *deferred_arguments, *arguments)  # type: ignore[no-any-return]

    async def prepare(self, statement: PreparedStatement) -> None:
        """Prepare a statement by name; a round trip only the first time on a connection."""
        if statement.name not in self.driver.prepared:
            await await_uncancelled(_prepare(self.driver, statement))

    async def execute_and_commit(self, statement: PreparedStatement) -> None:
        """Run a prepared statement and commit in one round trip: its locks are free before the answer arrives here.

        Errors: `OutcomeUnknown`; the statement's own errors, after which nothing is committed.
        """
        try:
            await await_uncancelled(self.driver.execute(f"EXECUTE {statement.name}; COMMIT"))
        except CONNECTION_LOST as error:
            raise OutcomeUnknown from error
        self.committed = True


class Database:
    """The pool of connections of one process, and the only place that begins and ends transactions."""

    def __init__(self, url: str, settings: Settings, *, pool_size: int | None = None) -> None:
        self._url = url
        self._settings = settings
        self._size = pool_size or settings.database_pool_size
        self._pool: Any = None
        self._opening = asyncio.Lock()
        self.before_flush: BeforeFlush | None = None
        self.after_commit: AfterCommit | None = None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        if self._pool is None:
            async with self._opening:
                self._pool = self._pool or await _pool(self._url, self._settings, self._size)
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as driver:
            try:
                yield driver
            except (*CONNECTION_LOST, OutcomeUnknown):
                _terminate(driver)
                raise

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """Open a session for reads, each of which sees its own snapshot."""
        async with self._connection() as driver:
            yield Session(driver)

    @asynccontextmanager
    async def snapshot(self, *, statement_timeout: bool = True) -> AsyncIterator[Session]:
        """Open a session for reads that all see one snapshot. `statement_timeout`: False lets statements run long."""
        async with self._connection() as driver:
            try:
                await driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                if not statement_timeout:
                    await driver.execute("SET LOCAL statement_timeout = 0")
                yield Session(driver)
            finally:
                await await_uncancelled(_rollback(driver))

    @asynccontextmanager
    async def transaction(self, *, notify: bool = True) -> AsyncIterator[Session]:
        """Open a transaction: commit at the end, roll back on any error. `notify`: call `after_commit` after a commit.

        Errors: `OutcomeUnknown` where the connection is lost at COMMIT. Callers with an idempotency key ask again.
        """
        async with self._connection() as driver:
            session = Session(driver, self.before_flush)
            try:
                await driver.execute("BEGIN")
                yield session
                assert not (session.committed and (session.events or session.deferred)), "a write after the commit"
                if session.events or session.deferred:
                    await session.flush()
            except BaseException:
                if not session.committed:
                    await await_uncancelled(_rollback(driver))
                raise
            if not session.committed:
                try:
                    # A request that is cancelled during COMMIT still has to learn the outcome.
                    await await_uncancelled(driver.execute("COMMIT"))
                except CONNECTION_LOST as error:
                    raise OutcomeUnknown from error
        if notify and self.after_commit is not None:
            self.after_commit()

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


_NOTHING = "SELECT"


def _bind(
    statement: Statement | str, args: tuple[object, ...], params: Mapping[str, object]
) -> tuple[str, Sequence[object]]:
    if isinstance(statement, str):
        return statement, args
    return statement.sql, statement.arguments(params)


@lru_cache(maxsize=256)
def _join(writes: tuple[str, ...], last: str) -> str:
    """Return one statement made of several. The parameters of each are numbered on from those before it."""
    renumbered, count = [], 0
    for sql in (*writes, last):
        renumbered.append(_PARAMETER.sub(partial(_shift, by=count), sql))
        count += max((int(number) for number in _PARAMETER.findall(sql)), default=0)
    parts = ", ".join(f"deferred_{n} AS ({sql})" for n, sql in enumerate(renumbered[:-1]))
    main = renumbered[-1]
    own = _WITH.match(main)
    return f"WITH {parts}, {main[own.end() :]}" if own else f"WITH {parts} {main}"


def _shift(parameter: re.Match[str], *, by: int) -> str:
    return f"${int(parameter[1]) + by}"


async def _prepare(driver: Any, statement: PreparedStatement) -> None:
    await driver.execute(f"PREPARE {statement.name} AS {statement.sql}")
    driver.prepared.add(statement.name)


async def _rollback(driver: Any) -> None:
    try:
        await driver.execute("ROLLBACK")
    except CONNECTION_LOST:
        # PostgreSQL rolls back what a lost connection had begun; the first error is the one to report.
        _terminate(driver)


def _terminate(driver: Any) -> None:
    """Close a lost connection, so that the pool does not hand it out again."""
    with suppress(asyncpg.InterfaceError):  # The pool has closed it already.
        driver.terminate()


async def await_uncancelled(work: Awaitable[Any]) -> None:
    """Await to the end, and raise a cancellation that came meanwhile only then."""
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
        init=_set_json_codecs,
        reset=_reset_nothing,
        statement_cache_size=500,
        server_settings={
            "application_name": "uriba",
            "timezone": "UTC",
            "jit": "off",
            # Almost every statement looks rows up by keys: planning it anew for each call costs more than running it.
            "plan_cache_mode": "force_generic_plan",
            "lock_timeout": str(int(settings.lock_timeout_s * 1000)),
            "statement_timeout": str(int(settings.statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": str(int(settings.idle_timeout_s * 1000)),
        },
    )


async def _set_json_codecs(driver: Any) -> None:
    """Read JSON as Python values; write it from text that the caller has encoded."""
    await driver.set_type_codec(
        "json", encoder=str.encode, decoder=msgspec.json.decode, schema="pg_catalog", format="binary"
    )
    await driver.set_type_codec("jsonb", encoder=_to_jsonb, decoder=_from_jsonb, schema="pg_catalog", format="binary")


def _to_jsonb(text: str) -> bytes:
    return _JSONB + text.encode()


def _from_jsonb(stored: bytes) -> Any:
    return msgspec.json.decode(memoryview(stored)[1:])


_JSONB = b"\x01"
"""The version byte of PostgreSQL's binary format of jsonb."""


async def _reset_nothing(driver: Any) -> None:
    """Every session ends its own transaction, so there is nothing to reset."""


__all__ = ["CONNECTION_LOST", "Database", "Insert", "OutcomeUnknown", "PreparedStatement", "Row", "Session"]
