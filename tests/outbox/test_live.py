"""The live path of one process: subscribers are woken with what changed, and never keep a backlog."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from facts import note, number_all

from patience import backend, eventually, terminate
from scratch import scratch_hub
from uriba.config import Settings
from uriba.db import Database
from uriba.graphql.engine.live import Live, Watch
from uriba.outbox.database import open_database
from uriba.outbox.hints import KEYS, NUMBERED, Hints

if TYPE_CHECKING:
    from conftest import RunningHub

NOWHERE = "redis://127.0.0.1:1"
"""An address where no Valkey is."""

WAIT_S = 15.0


@pytest.fixture
async def own(hub: RunningHub) -> AsyncIterator[tuple[Settings, Database]]:
    async with scratch_hub(hub.settings) as found:
        yield found


@pytest.fixture
def database(own: tuple[Settings, Database]) -> Database:
    return own[1]


@asynccontextmanager
async def living(
    settings: Settings, *, valkey_url: str = NOWHERE, poll_s: float = 0.02, forgotten: list[bool] | None = None
) -> AsyncIterator[Live]:
    """A live path of its own, with connections of its own; by default it hears no hints."""
    database, hints = open_database(settings), Hints(valkey_url)
    found = [] if forgotten is None else forgotten
    live = Live(database, hints, poll_s=poll_s, keys_changed=lambda: found.append(True))
    await live.start()
    try:
        yield live
    finally:
        await live.stop()
        await hints.close()
        await database.close()


async def next_of(watch: Watch) -> str:
    """The next subject that changed."""
    async with asyncio.timeout(WAIT_S):
        return (await anext(watch.changes())).subject


async def test_without_hints_a_subscriber_is_woken_by_polling(own: tuple[Settings, Database]) -> None:
    settings, database = own

    async with living(settings) as live, live.watch("Cart:1") as watch:
        for version in (1, 2):
            await note(database, "Cart:1", version)
            await number_all(database)
            assert await next_of(watch) == "Cart:1"


async def test_a_hint_wakes_a_subscriber_long_before_its_clock(own: tuple[Settings, Database]) -> None:
    settings, database = own
    assert settings.valkey_url
    speaker = Hints(settings.valkey_url)

    async with (
        living(settings, valkey_url=settings.valkey_url, poll_s=3_600) as live,
        live.watch("Cart:1") as watch,
    ):
        await note(database, "Cart:1")
        await number_all(database)
        waiting = asyncio.create_task(next_of(watch))

        async def woken() -> bool:
            await speaker.say_now(NUMBERED)
            return waiting.done()

        await eventually(woken)
        assert await waiting == "Cart:1"
    await speaker.close()


async def test_a_hint_about_keys_has_them_looked_up_again(own: tuple[Settings, Database]) -> None:
    settings, _ = own
    assert settings.valkey_url
    speaker, forgotten = Hints(settings.valkey_url), list[bool]()

    async with living(settings, valkey_url=settings.valkey_url, poll_s=3_600, forgotten=forgotten):

        async def heard() -> bool:
            await speaker.say_now(KEYS)
            return bool(forgotten)

        await eventually(heard)
    await speaker.close()


async def test_a_slow_subscriber_finds_each_subject_once_however_often_it_changed(
    own: tuple[Settings, Database],
) -> None:
    settings, database = own

    async with living(settings) as live, live.watch("Cart:1", "Cart:2") as slow, live.watch("Cart:3") as quick:
        for version in range(1, 101):
            await note(database, "Cart:1", version)
        await note(database, "Cart:2")
        await note(database, "Cart:1", 101)
        await note(database, "Cart:3")
        await number_all(database)
        assert await next_of(quick) == "Cart:3"

        changes = slow.changes()
        assert [await anext(changes), await anext(changes)] == [("Cart:1", 101), ("Cart:2", 1)]
        await note(database, "Cart:2", 2)
        await number_all(database)
        async with asyncio.timeout(WAIT_S):
            assert await anext(changes) == ("Cart:2", 2)


async def test_what_changes_while_it_is_being_handled_is_told_again() -> None:
    watch = Watch(None)
    changes = watch.changes()
    watch.tell("Cart:1", 1)

    assert await anext(changes) == ("Cart:1", 1)
    watch.tell("Cart:1", 2)

    assert await anext(changes) == ("Cart:1", 2)


async def test_nobody_is_told_of_what_is_not_theirs(own: tuple[Settings, Database]) -> None:
    settings, database = own

    async with (
        living(settings) as live,
        live.watch("Cart:1") as mine,
        live.watch_all(lambda subject: subject.startswith("StockLevel:")) as levels,
    ):
        for subject in ("Cart:2", "Cart:11", "StockLevel:1:1", "Cart:1"):
            await note(database, subject)
        await number_all(database)

        assert await next_of(mine) == "Cart:1"
        assert await next_of(levels) == "StockLevel:1:1"
        assert mine._changed == levels._changed == {}


async def test_an_orders_changes_are_its_carts_too(own: tuple[Settings, Database]) -> None:
    settings, database = own

    async with living(settings) as live, live.watch("Cart:1") as guest:
        await note(database, "Order:7", cart="2")
        await note(database, "Order:8", cart=None)
        await note(database, "Order:9", cart="1")
        await number_all(database)

        assert await next_of(guest) == "Order:9"
        assert guest._changed == {}


async def test_a_subscriber_hears_what_was_committed_but_not_numbered_when_it_came(
    own: tuple[Settings, Database],
) -> None:
    settings, database = own
    await note(database, "Cart:1", 1)
    await number_all(database)
    await note(database, "Cart:2", 1)

    async with living(settings) as live, live.watch("Cart:1", "Cart:2") as watch:
        await number_all(database)

        assert await next_of(watch) == "Cart:2"
        assert watch._changed == {}


async def test_a_newcomer_does_not_hear_what_happened_while_nobody_watched(
    own: tuple[Settings, Database],
) -> None:
    settings, database = own

    async with living(settings) as live:
        async with live.watch("Cart:1") as first:
            await note(database, "Cart:1", 1)
            await number_all(database)
            await next_of(first)

        async def rests() -> bool:
            return live._position is None

        await eventually(rests)
        await note(database, "Cart:1", 2)
        await number_all(database)
        async with live.watch("Cart:1", "Cart:2") as second:
            await note(database, "Cart:2", 1)
            await number_all(database)

            assert await next_of(second) == "Cart:2"


async def test_leaving_leaves_no_watch_behind(own: tuple[Settings, Database]) -> None:
    settings, _ = own

    async with living(settings) as live:
        async with live.watch("Cart:1", "Cart:2"), live.watch("Cart:1"), live.watch_all(bool):
            assert live.subscribers == 4
        with pytest.raises(ZeroDivisionError):
            async with live.watch("Cart:1"):
                raise ZeroDivisionError

        assert live.subscribers == 0
        assert live._by_subject == {}


async def test_leaving_while_joining_leaves_no_watch_behind(
    own: tuple[Settings, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = own

    async def never(_: object) -> int:
        await asyncio.Event().wait()
        raise AssertionError

    async def join(live: Live) -> None:
        async with live.watch("Cart:1"):
            raise AssertionError("joined")

    async def join_all(live: Live) -> None:
        async with live.watch_all(bool):
            raise AssertionError("joined")

    monkeypatch.setattr("uriba.outbox.relay.end_of_feed", never)
    async with living(settings) as live:
        tasks = [asyncio.create_task(join(live)), asyncio.create_task(join_all(live))]

        async def both_wait() -> bool:
            return live.subscribers == 2

        await eventually(both_wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert live.subscribers == 0


async def test_the_live_path_goes_on_after_its_connections_were_ended(
    hub: RunningHub, own: tuple[Settings, Database]
) -> None:
    settings, database = own

    async with living(settings) as live, live.watch("Cart:1") as watch:
        await note(database, "Cart:1", 1)
        await number_all(database)
        await next_of(watch)

        async with database.reading() as session:
            rows = await session.fetch("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
            others = {row["pid"] for row in rows} - {await backend(session)}
        assert others
        for pid in others:
            await terminate(hub.database, pid)
        await note(database, "Cart:1", 2)
        await number_all(database)

        assert await next_of(watch) == "Cart:1"


async def test_a_thousand_and_more_changes_are_read_batch_by_batch(own: tuple[Settings, Database]) -> None:
    settings, database = own
    told: set[str] = set()

    async with living(settings) as live, live.watch_all(lambda subject: subject.startswith("Cart:")) as watch:
        async with database.transaction() as session:
            await session.run(
                "INSERT INTO outbox_event (type, subject, version, data) "
                "SELECT 'test.noted', 'Cart:' || n, 1, '{}' FROM generate_series(1, 2500) AS n"
            )
        await number_all(database)
        async with asyncio.timeout(WAIT_S):
            async for change in watch.changes():
                told.add(change.subject)
                if len(told) == 2_500:
                    break

    assert told == {f"Cart:{n}" for n in range(1, 2_501)}
