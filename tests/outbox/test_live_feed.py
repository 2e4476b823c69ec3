"""The live feed of one process: watches are notified of changed subjects, and keep no backlog."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.sample_events import assign_positions, write_sample
from tests.support.scratch_database import open_scratch_database
from tests.support.waiting import backend_pid, terminate_backend, wait_until
from uriba.config import Settings
from uriba.db import Database
from uriba.graphql.engine.live_feed import LiveFeed, SubjectWatch
from uriba.orders.events import watched_subjects
from uriba.outbox.database import open_database
from uriba.outbox.hints import KEYS, NUMBERED, Hints

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

UNREACHABLE = "redis://127.0.0.1:1"
"""An address without a Valkey."""

WAIT_S = 15.0


@pytest.fixture
async def own(hub: RunningHub) -> AsyncIterator[tuple[Settings, Database]]:
    async with open_scratch_database(hub.settings) as found:
        yield found


@pytest.fixture
def database(own: tuple[Settings, Database]) -> Database:
    return own[1]


@asynccontextmanager
async def running_live_feed(
    settings: Settings, *, valkey_url: str = UNREACHABLE, poll_s: float = 0.02, key_changes: list[bool] | None = None
) -> AsyncIterator[LiveFeed]:
    """A live feed with connections of its own; by default it receives no hints."""
    database, hints = open_database(settings), Hints(valkey_url)
    received = [] if key_changes is None else key_changes
    live_feed = LiveFeed(
        database,
        hints,
        poll_s=poll_s,
        on_keys_changed=lambda: received.append(True),
        subjects_of=watched_subjects,
    )
    await live_feed.start()
    try:
        yield live_feed
    finally:
        await live_feed.stop()
        await hints.close()
        await database.close()


async def next_subject(watch: SubjectWatch) -> str:
    """Return the next subject that changed."""
    async with asyncio.timeout(WAIT_S):
        return (await anext(watch.changes())).subject


async def test_polling_notifies_a_watch_without_hints(own: tuple[Settings, Database]) -> None:
    settings, database = own

    async with running_live_feed(settings) as live_feed, live_feed.watch("Cart:1") as watch:
        for version in (1, 2):
            await write_sample(database, "Cart:1", version)
            await assign_positions(database)
            assert await next_subject(watch) == "Cart:1"


async def test_a_hint_notifies_a_watch_before_the_poll_interval_ends(own: tuple[Settings, Database]) -> None:
    settings, database = own
    assert settings.valkey_url
    publisher = Hints(settings.valkey_url)

    async with (
        running_live_feed(settings, valkey_url=settings.valkey_url, poll_s=3_600) as live_feed,
        live_feed.watch("Cart:1") as watch,
    ):
        await write_sample(database, "Cart:1")
        await assign_positions(database)
        waiting = asyncio.create_task(next_subject(watch))

        async def woken() -> bool:
            await publisher.publish_now(NUMBERED)
            return waiting.done()

        await wait_until(woken)
        assert await waiting == "Cart:1"
    await publisher.close()


async def test_a_hint_about_keys_calls_on_keys_changed(own: tuple[Settings, Database]) -> None:
    settings, _ = own
    assert settings.valkey_url
    publisher, key_changes = Hints(settings.valkey_url), list[bool]()

    async with running_live_feed(settings, valkey_url=settings.valkey_url, poll_s=3_600, key_changes=key_changes):

        async def received() -> bool:
            await publisher.publish_now(KEYS)
            return bool(key_changes)

        await wait_until(received)
    await publisher.close()


async def test_a_slow_watcher_finds_each_subject_once_with_its_newest_version(
    own: tuple[Settings, Database],
) -> None:
    settings, database = own

    async with (
        running_live_feed(settings) as live_feed,
        live_feed.watch("Cart:1", "Cart:2") as slow,
        live_feed.watch("Cart:3") as quick,
    ):
        for version in range(1, 101):
            await write_sample(database, "Cart:1", version)
        await write_sample(database, "Cart:2")
        await write_sample(database, "Cart:1", 101)
        await write_sample(database, "Cart:3")
        await assign_positions(database)
        assert await next_subject(quick) == "Cart:3"

        changes = slow.changes()
        assert [await anext(changes), await anext(changes)] == [("Cart:1", 101), ("Cart:2", 1)]
        await write_sample(database, "Cart:2", 2)
        await assign_positions(database)
        async with asyncio.timeout(WAIT_S):
            assert await anext(changes) == ("Cart:2", 2)


async def test_a_subject_that_changes_while_it_is_handled_is_yielded_again() -> None:
    watch = SubjectWatch(None)
    changes = watch.changes()
    watch.notify("Cart:1", 1)

    assert await anext(changes) == ("Cart:1", 1)
    watch.notify("Cart:1", 2)

    assert await anext(changes) == ("Cart:1", 2)


async def test_a_watch_is_not_notified_of_other_subjects(own: tuple[Settings, Database]) -> None:
    settings, database = own

    async with (
        running_live_feed(settings) as live_feed,
        live_feed.watch("Cart:1") as mine,
        live_feed.watch_matching(lambda subject: subject.startswith("StockLevel:")) as levels,
    ):
        for subject in ("Cart:2", "Cart:11", "StockLevel:1:1", "Cart:1"):
            await write_sample(database, subject)
        await assign_positions(database)

        assert await next_subject(mine) == "Cart:1"
        assert await next_subject(levels) == "StockLevel:1:1"
        assert mine._changed == levels._changed == {}


async def test_an_orders_events_notify_watches_of_its_cart(own: tuple[Settings, Database]) -> None:
    settings, database = own

    async with running_live_feed(settings) as live_feed, live_feed.watch("Cart:1") as guest:
        await write_sample(database, "Order:7", cart="2")
        await write_sample(database, "Order:8", cart=None)
        await write_sample(database, "Order:9", cart="1")
        await assign_positions(database)

        assert await next_subject(guest) == "Order:9"
        assert guest._changed == {}


async def test_a_new_watch_is_notified_of_events_committed_but_not_yet_numbered(
    own: tuple[Settings, Database],
) -> None:
    settings, database = own
    await write_sample(database, "Cart:1", 1)
    await assign_positions(database)
    await write_sample(database, "Cart:2", 1)

    async with running_live_feed(settings) as live_feed, live_feed.watch("Cart:1", "Cart:2") as watch:
        await assign_positions(database)

        assert await next_subject(watch) == "Cart:2"
        assert watch._changed == {}


async def test_a_new_watch_is_not_notified_of_events_from_before_it(
    own: tuple[Settings, Database],
) -> None:
    settings, database = own

    async with running_live_feed(settings) as live_feed:
        async with live_feed.watch("Cart:1") as first:
            await write_sample(database, "Cart:1", 1)
            await assign_positions(database)
            await next_subject(first)

        async def stopped_reading() -> bool:
            return live_feed._position is None

        await wait_until(stopped_reading)
        await write_sample(database, "Cart:1", 2)
        await assign_positions(database)
        async with live_feed.watch("Cart:1", "Cart:2") as second:
            await write_sample(database, "Cart:2", 1)
            await assign_positions(database)

            assert await next_subject(second) == "Cart:2"


async def test_a_closed_watch_is_removed(own: tuple[Settings, Database]) -> None:
    settings, _ = own

    async with running_live_feed(settings) as live_feed:
        async with live_feed.watch("Cart:1", "Cart:2"), live_feed.watch("Cart:1"), live_feed.watch_matching(bool):
            assert live_feed.watcher_count == 4
        with pytest.raises(ZeroDivisionError):
            async with live_feed.watch("Cart:1"):
                raise ZeroDivisionError

        assert live_feed.watcher_count == 0
        assert live_feed._by_subject == {}


async def test_a_watch_that_is_cancelled_while_it_opens_is_removed(
    own: tuple[Settings, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = own

    async def never(_: object) -> int:
        await asyncio.Event().wait()
        raise AssertionError

    async def join(live_feed: LiveFeed) -> None:
        async with live_feed.watch("Cart:1"):
            raise AssertionError("joined")

    async def join_matching(live_feed: LiveFeed) -> None:
        async with live_feed.watch_matching(bool):
            raise AssertionError("joined")

    monkeypatch.setattr("uriba.outbox.relay.end_of_feed", never)
    async with running_live_feed(settings) as live_feed:
        tasks = [asyncio.create_task(join(live_feed)), asyncio.create_task(join_matching(live_feed))]

        async def both_opening() -> bool:
            return live_feed.watcher_count == 2

        await wait_until(both_opening)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert live_feed.watcher_count == 0


async def test_the_live_feed_continues_after_its_connections_were_terminated(
    hub: RunningHub, own: tuple[Settings, Database]
) -> None:
    settings, database = own

    async with running_live_feed(settings) as live_feed, live_feed.watch("Cart:1") as watch:
        await write_sample(database, "Cart:1", 1)
        await assign_positions(database)
        await next_subject(watch)

        async with database.reading() as session:
            rows = await session.fetch("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
            others = {row["pid"] for row in rows} - {await backend_pid(session)}
        assert others
        for pid in others:
            await terminate_backend(hub.database, pid)
        await write_sample(database, "Cart:1", 2)
        await assign_positions(database)

        assert await next_subject(watch) == "Cart:1"


async def test_more_changes_than_one_read_holds_are_all_yielded(own: tuple[Settings, Database]) -> None:
    settings, database = own
    subjects: set[str] = set()

    async with (
        running_live_feed(settings) as live_feed,
        live_feed.watch_matching(lambda subject: subject.startswith("Cart:")) as watch,
    ):
        async with database.transaction() as session:
            await session.run(
                "INSERT INTO outbox_event (type, subject, version, data) "
                "SELECT 'test.sample', 'Cart:' || n, 1, '{}' FROM generate_series(1, 2500) AS n"
            )
        await assign_positions(database)
        async with asyncio.timeout(WAIT_S):
            async for change in watch.changes():
                subjects.add(change.subject)
                if len(subjects) == 2_500:
                    break

    assert subjects == {f"Cart:{n}" for n in range(1, 2_501)}
