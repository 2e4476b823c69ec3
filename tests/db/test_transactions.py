"""Transactions are all or nothing under errors, cancellation and lost connections, and connections return clean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.support.sample_events import SampleEvent
from tests.support.scratch_database import migrated_database
from tests.support.waiting import wait_until
from uriba.db import Database
from uriba.db.session import PreparedStatement
from uriba.db.statements import statement
from uriba.outbox import emit, event

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

POOL_SIZE = 2


@pytest.fixture
async def database(hub: RunningHub) -> AsyncIterator[Database]:
    """A small pool on a database of its own, with a table of notes."""
    assert hub.settings.database_url
    async with migrated_database(hub.settings.database_url) as url:
        found = Database(url, hub.settings, pool_size=POOL_SIZE)
        found.before_flush = event.write
        async with found.transaction() as session:
            await session.run("CREATE TABLE note (n bigint NOT NULL)")
        yield found
        await found.close()


async def notes(database: Database) -> list[int]:
    async with database.reading() as session:
        return [row["n"] for row in await session.fetch("SELECT n FROM note ORDER BY n")]


async def subjects(database: Database) -> list[str]:
    async with database.reading() as session:
        return [row["subject"] for row in await session.fetch("SELECT subject FROM outbox_event ORDER BY id")]


async def assert_all_clean(database: Database) -> None:
    """Check that every connection of the pool is idle, outside of a transaction, and available at once."""

    async def look() -> bool:
        async with database.reading() as session:
            states = await session.fetch(
                "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND backend_type = 'client backend'"
            )
        return all(row["state"] == "idle" for row in states)

    await wait_until(look)
    both = asyncio.Barrier(POOL_SIZE)

    async def turn() -> bool:
        async with database.reading() as session:
            await both.wait()
            # In a transaction that was left open both would be the same moment.
            first = await session.fetchval("SELECT now()")
            return bool(await session.fetchval("SELECT now() > $1", first))

    async with asyncio.timeout(10):
        assert await asyncio.gather(*(turn() for _ in range(POOL_SIZE))) == [True] * POOL_SIZE


async def test_an_error_rolls_back_everything(database: Database) -> None:
    notified: list[bool] = []
    database.after_commit = lambda: notified.append(True)

    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            await session.run("INSERT INTO note VALUES (1)")
            emit(session, SampleEvent("Cart:1", 1))
            raise ZeroDivisionError

    assert (await notes(database), await subjects(database), notified) == ([], [], [])
    await assert_all_clean(database)


async def test_events_commit_with_their_change_and_the_callback_runs_after(database: Database) -> None:
    seen_when_told: list[asyncio.Task[list[int]]] = []
    database.after_commit = lambda: seen_when_told.append(asyncio.create_task(notes(database)))

    async with database.transaction() as session:
        await session.run("INSERT INTO note VALUES (1)")
        emit(session, SampleEvent("Cart:1", 1))
        assert seen_when_told == []

    assert await subjects(database) == ["Cart:1"]
    assert [await task for task in seen_when_told] == [[1]]


async def test_a_transaction_without_notify_does_not_run_the_callback(database: Database) -> None:
    notified: list[bool] = []
    database.after_commit = lambda: notified.append(True)

    async with database.transaction(notify=False) as session:
        await session.run("INSERT INTO note VALUES (1)")

    assert (await notes(database), notified) == ([1], [])


async def test_an_event_that_cannot_be_written_rolls_back_the_change(database: Database) -> None:
    async with database.transaction() as session:
        emit(session, SampleEvent("Cart:1", 1))

    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.transaction() as session:
            await session.run("INSERT INTO note VALUES (1)")
            emit(session, SampleEvent("Cart:1", 1))

    assert await notes(database) == []
    await assert_all_clean(database)


async def test_a_caught_error_of_a_statement_still_rolls_back_everything(database: Database) -> None:
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        async with database.transaction() as session:
            await session.run("INSERT INTO note VALUES (1)")
            with pytest.raises(asyncpg.NotNullViolationError):
                await session.run("INSERT INTO note VALUES (NULL)")
            await session.run("INSERT INTO note VALUES (2)")

    assert await notes(database) == []
    await assert_all_clean(database)


async def test_deferred_writes_run_with_the_flush_or_the_commit(database: Database) -> None:
    async with database.transaction() as session:
        session.defer("INSERT INTO note SELECT n FROM unnest($1::bigint[]) AS n WHERE n <> $2", [1, 2, 3], 2)
        session.defer("INSERT INTO note VALUES ($1)", 4)
        assert await session.fetchval("SELECT count(*) FROM note") == 0
        await session.flush_and_fetch(statement("INSERT INTO note VALUES (:five), (:six)"), five=5, six=6)
        assert await session.fetchval("SELECT count(*) FROM note") == 5
        session.defer("INSERT INTO note VALUES ($1)", 7)

    assert await notes(database) == [1, 3, 4, 5, 6, 7]


async def test_a_failing_deferred_write_rolls_back_everything(database: Database) -> None:
    with pytest.raises(asyncpg.NotNullViolationError):
        async with database.transaction() as session:
            await session.run("INSERT INTO note VALUES (1)")
            session.defer("INSERT INTO note VALUES ($1)", 2)
            session.defer("INSERT INTO note VALUES (NULL)")

    assert await notes(database) == []
    await assert_all_clean(database)


NOTE_AND_COMMIT = PreparedStatement("note_and_commit", "INSERT INTO note SELECT current_setting('test.n')::bigint")


async def by_commit(database: Database, n: int) -> None:
    async with database.transaction() as session:
        await session.run("INSERT INTO note VALUES ($1)", n)
        emit(session, SampleEvent(f"Cart:{n}", 1))
        await session.run("INSERT INTO note VALUES ($1)", n)


async def by_last_statement(database: Database, n: int) -> None:
    """As the ledger does: the last statement and the commit are one round trip."""
    async with database.transaction() as session:
        await session.prepare(NOTE_AND_COMMIT)
        await session.run("INSERT INTO note VALUES ($1)", n)
        emit(session, SampleEvent(f"Cart:{n}", 1))
        await session.flush_and_fetch(statement("SELECT set_config('test.n', :n, true)"), n=str(n))
        await session.execute_and_commit(NOTE_AND_COMMIT)


class Cancelled:
    """Await a coroutine in a task that is cancelled at its n-th pause: when the pause begins, or when it ends.

    `again`: and at every pause after it, too.
    """

    def __init__(self, work: Coroutine[Any, Any, None], at: int, *, begun: bool, again: bool) -> None:
        self._work, self._at, self._begun, self._again = work, at, begun, again
        self.pauses = 0

    def __await__(self) -> Generator[Any, None, None]:
        task = asyncio.current_task()
        assert task is not None
        step: Callable[[], Any] = partial(self._work.send, None)
        while True:
            try:
                paused = step()
            except StopIteration:
                return
            self.pauses += 1
            if self.pauses == self._at or (self._again and self.pauses > self._at):
                if self._begun or paused is None:
                    task.cancel()
                else:
                    paused.add_done_callback(lambda _: task.cancel())
            try:
                yield paused
                step = partial(self._work.send, None)
            except BaseException as error:
                step = partial(self._work.throw, error)


@pytest.mark.parametrize("change", [by_commit, by_last_statement])
@pytest.mark.parametrize("begun", [True, False], ids=["as it waits", "as it has waited"])
@pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
async def test_a_cancellation_at_any_point_is_all_or_nothing(
    database: Database, change: Callable[[Database, int], Coroutine[Any, Any, None]], begun: bool, again: bool
) -> None:
    outcomes: dict[int, bool] = {}
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    async def run(work: Cancelled) -> None:
        await work

    try:
        for n in range(1, 200):
            work = Cancelled(change(database, n), n, begun=begun, again=again)
            (result,) = await asyncio.gather(asyncio.create_task(run(work)), return_exceptions=True)
            assert result is None or isinstance(result, asyncio.CancelledError), n
            done = (await notes(database)).count(n)
            assert done == 2 * (await subjects(database)).count(f"Cart:{n}"), n
            outcomes[n] = done > 0
            if work.pauses < n:
                break
    finally:
        asyncio.get_running_loop().set_exception_handler(None)

    assert outcomes.pop(n), "left alone, it is done"
    assert set(outcomes.values()) == {True, False}
    assert faults == []
    await assert_all_clean(database)


async def test_waiting_for_a_lock_has_a_limit(hub: RunningHub, database: Database) -> None:
    assert hub.settings.database_url
    async with database.reading() as session:
        name = await session.fetchval("SELECT current_database()")
    from tests.support.scratch_database import database_url

    hasty = Database(
        database_url(hub.settings.database_url, name), hub.settings.model_copy(update={"lock_timeout_s": 0.05})
    )

    async with database.transaction() as session:
        await session.run("LOCK note")
        with pytest.raises(asyncpg.LockNotAvailableError):
            async with hasty.transaction() as other:
                await other.run("INSERT INTO note VALUES (1)")

    await hasty.close()
