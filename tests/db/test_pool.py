"""The pool: bounded, with a limited wait, opened once, and without dead connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.scratch_database import empty_database, migrated_database
from tests.support.waiting import backend_pid, terminate_backend, wait_until
from uriba.db import Database, session

if TYPE_CHECKING:
    from tests.support.hub import RunningHub


@pytest.fixture
async def small(hub: RunningHub) -> AsyncIterator[Database]:
    """A database of its own, and two connections to it."""
    assert hub.settings.database_url
    async with migrated_database(hub.settings.database_url) as url:
        found = Database(url, hub.settings, pool_size=2)
        yield found
        await found.close()


async def test_waiting_for_a_connection_has_a_limit_and_the_pool_recovers(
    small: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "ACQUIRE_TIMEOUT_S", 0.1)

    async with small.reading(), small.transaction():
        with pytest.raises(TimeoutError):
            async with small.reading():
                raise AssertionError("a third connection")
        with pytest.raises(TimeoutError):
            async with small.transaction():
                raise AssertionError("a third connection")

    async with small.reading() as found:
        assert await found.fetchval("SELECT 1") == 1


async def test_many_sessions_share_two_connections(small: Database) -> None:
    async def turn() -> int:
        async with small.reading() as found:
            return await backend_pid(found)

    async with asyncio.timeout(10):
        pids = await asyncio.gather(*(turn() for _ in range(60)))

    assert len(set(pids)) <= 2


async def test_idle_connections_that_were_closed_are_replaced(hub: RunningHub, small: Database) -> None:
    for _ in range(3):
        async with AsyncExitStack() as turns:
            sessions = [await turns.enter_async_context(small.reading()) for _ in range(2)]
            pids = [await backend_pid(found) for found in sessions]
            connections = [found.driver._con for found in sessions]
        for pid, connection in zip(pids, connections, strict=True):
            await terminate_backend(hub.database, pid)
            await wait_until(partial(is_closed, connection))

        async with AsyncExitStack() as turns:
            anew = [await backend_pid(await turns.enter_async_context(small.reading())) for _ in range(2)]

        assert set(anew).isdisjoint(pids)


async def is_closed(connection: asyncpg.Connection) -> bool:
    return connection.is_closed()


async def test_two_databases_are_independent(hub: RunningHub) -> None:
    assert hub.settings.database_url
    async with (
        empty_database(hub.settings.database_url) as first_url,
        empty_database(hub.settings.database_url) as second_url,
    ):
        first, second = Database(first_url, hub.settings), Database(second_url, hub.settings)
        async with first.transaction() as one, second.transaction() as two:
            await one.run("CREATE TABLE only_here (n int)")
            assert await two.fetchval("SELECT to_regclass('only_here')") is None

        async with first.reading() as one, second.reading() as two:
            assert await one.fetchval("SELECT to_regclass('only_here')::text") == "only_here"
            assert await two.fetchval("SELECT to_regclass('only_here')") is None
        await first.close()
        await second.close()


async def test_an_unused_database_can_be_closed(hub: RunningHub) -> None:
    assert hub.settings.database_url

    await Database(hub.settings.database_url, hub.settings).close()


async def test_reconnects_after_the_server_was_down(hub: RunningHub) -> None:
    assert hub.settings.database_url
    async with empty_database(hub.settings.database_url) as url:
        away = Database(url.replace("scratch_", "absent_"), hub.settings)
        for _ in range(2):
            with pytest.raises(Exception, match="does not exist"):
                async with away.reading():
                    raise AssertionError("there is no such database")
        away._url = url

        async with away.reading() as found:
            assert await found.fetchval("SELECT 1") == 1
        await away.close()


async def test_json_is_decoded_once_and_times_are_utc(small: Database) -> None:
    async with small.reading() as found:
        row = await found.fetchrow("""SELECT '{"a": [1, "ü"]}'::jsonb AS one, '"2"'::json AS two, now() AS at""")
        zone = await found.fetchval("SHOW timezone")

    assert row is not None
    assert (row["one"], row["two"]) == ({"a": [1, "ü"]}, "2")
    assert (zone, row["at"].utcoffset().total_seconds()) == ("UTC", 0)
