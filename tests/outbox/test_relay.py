"""The relay: every committed event gets one position, without gaps, also with many writers and relays at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from tests.support.sample_events import SampleEvent, assign_positions, positions, write_sample
from tests.support.scratch_database import open_scratch_database
from tests.support.waiting import backend_pid, terminate_backend, wait_until, wait_until_blocked
from uriba.catalog import locations, products
from uriba.catalog.enums import LocationKind
from uriba.catalog.locations import LocationRow
from uriba.catalog.products import ProductRow, VariantRow
from uriba.checkout.completion import Checkout
from uriba.config import Settings
from uriba.core.actor import SYSTEM
from uriba.db import Database
from uriba.db.statements import statement
from uriba.inventory import adjustments
from uriba.inventory.adjustments import Adjustment
from uriba.inventory.enums import StockReason
from uriba.outbox import emit, event, relay
from uriba.outbox.database import open_database
from uriba.outbox.hints import Hints
from uriba.worker import runner
from uriba.worker.sweeps import WorkerContext

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

NO_VALKEY = "redis://127.0.0.1:1"
"""An address without a Valkey."""


_AFTER_ID = statement("SELECT id, subject FROM outbox_event WHERE id > :last_id ORDER BY id")


@pytest.fixture
async def own(hub: RunningHub) -> AsyncIterator[tuple[Settings, Database]]:
    async with open_scratch_database(hub.settings) as found:
        yield found


@pytest.fixture
def database(own: tuple[Settings, Database]) -> Database:
    return own[1]


async def test_a_reader_by_position_misses_no_late_commit_and_a_reader_by_id_does(database: Database) -> None:
    writers = 12
    written, may_commit = ([asyncio.Event() for _ in range(writers)] for _ in range(2))
    seen_by_id: list[str] = []
    seen_by_position: list[str] = []
    last_id = last_position = 0

    async def write(n: int) -> None:
        async with database.transaction() as session:
            emit(session, SampleEvent(f"Cart:{n}", 1))
            event.write(session)
            await session.flush()
            written[n].set()
            await may_commit[n].wait()

    tasks = []
    for n in range(writers):
        tasks.append(asyncio.create_task(write(n)))
        await written[n].wait()
    for n in random.Random(1).sample(range(writers), writers):
        may_commit[n].set()
        await tasks[n]
        await relay.number(database)
        async with database.reading() as session:
            for row in await session.fetch(_AFTER_ID, last_id=last_id):
                seen_by_id.append(row["subject"])
                last_id = row["id"]
            for row in await relay.read(session, after=last_position):
                seen_by_position.append(row["subject"])
                last_position = row["position"]

    everything = sorted(f"Cart:{n}" for n in range(writers))
    assert len(seen_by_id) < writers
    assert sorted(seen_by_position) == everything
    assert [position for position, _, _ in await positions(database)] == list(range(1, writers + 1))


async def test_many_slow_writers_are_followed_without_a_gap(database: Database) -> None:
    rng = random.Random(2)
    seen: list[tuple[int, str]] = []
    done = asyncio.Event()

    async def write(writer: int) -> None:
        for n in range(6):
            async with database.transaction() as session:
                emit(session, *(SampleEvent(f"Cart:{writer}-{n}-{part}", 1) for part in range(3)))
                event.write(session)
                await session.flush()
                for _ in range(rng.randint(0, 8)):
                    await session.fetchval("SELECT 1")

    async def follow() -> None:
        while not (done.is_set() and len(seen) >= 18 * 15):
            await relay.number(database)
            async with database.reading() as session:
                rows = await relay.read(session, after=seen[-1][0] if seen else 0)
            seen.extend((row["position"], row["subject"]) for row in rows)

    async with asyncio.timeout(30):
        following = asyncio.create_task(follow())
        await asyncio.gather(*(write(writer) for writer in range(15)))
        done.set()
        await following

    assert [position for position, _ in seen] == list(range(1, 18 * 15 + 1))
    assert len({subject for _, subject in seen}) == 18 * 15


async def test_two_relays_without_the_lock_number_the_same_events_twice(database: Database) -> None:
    """The race that the lock prevents, shown without the lock."""
    await write_sample(database, "Cart:1")
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def number_again() -> int | None:
        async with database.transaction() as session:
            pid.set_result(await backend_pid(session))
            return await session.fetchval(relay._NUMBER, end=0)

    async with database.transaction() as first:
        assert await first.fetchval(relay._NUMBER, end=0) == 1
        second = asyncio.create_task(number_again())
        await wait_until_blocked(database, await pid)

    assert await second == 1


async def test_relays_take_turns_and_number_each_event_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 7)
    async with database.transaction() as session:
        emit(session, *(SampleEvent(f"Cart:{n}", 1) for n in range(200)))

    async def number() -> int:
        total = 0
        while numbered := (await relay.number(database))[0]:
            total += numbered
        return total

    totals = await asyncio.gather(*(number() for _ in range(4)))

    assert sum(totals) == 200
    assert [(position, subject) for position, subject, _ in await positions(database)] == [
        (n + 1, f"Cart:{n}") for n in range(200)
    ]
    async with database.reading() as session:
        assert (await relay.end_of_feed(session), await relay.waiting(session)) == (200, 0)


async def test_a_relay_without_work_returns_the_end_of_the_feed(database: Database) -> None:
    await write_sample(database, "Cart:1")

    assert [await relay.number(database) for _ in range(2)] == [(1, 1), (0, 1)]


async def test_an_event_that_was_rolled_back_is_not_numbered(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            emit(session, SampleEvent("Cart:1", 1))
            event.write(session)
            await session.flush()
            raise ZeroDivisionError
    await write_sample(database, "Cart:2")

    await assign_positions(database)

    assert await positions(database) == [(1, "Cart:2", 1)]


async def test_the_events_of_a_subject_are_numbered_in_the_order_of_their_versions(database: Database) -> None:
    skus, stores = [f"SKU{n}" for n in range(4)], ["S1", "S2"]
    async with database.transaction() as session:
        await locations.upsert(session, [LocationRow(store, store, LocationKind.STORE) for store in stores])
        await products.upsert(session, [ProductRow(sku, sku, [VariantRow(sku, sku)]) for sku in skus])
    rng, done = random.Random(3), asyncio.Event()

    async def change() -> None:
        for _ in range(12):
            rows = [Adjustment(rng.choice(skus), rng.choice(stores), 1) for _ in range(4)]
            async with database.transaction() as session:
                await adjustments.adjust(
                    session, actor=SYSTEM, changes=rows, reason=StockReason.RECEIPT, reference="test"
                )

    async def number() -> None:
        while not done.is_set():
            await relay.number(database)

    numbering = asyncio.create_task(number())
    await asyncio.gather(*(change() for _ in range(8)))
    done.set()
    await numbering
    await assign_positions(database)

    by_subject: dict[str, list[int]] = {}
    for _, subject, version in await positions(database):
        by_subject.setdefault(subject, []).append(version)
    levels = {subject for subject in by_subject if subject.startswith("StockLevel:")}
    assert len(levels) == 8
    assert all(versions == list(range(1, len(versions) + 1)) for versions in by_subject.values())


async def test_the_relay_continues_after_its_connections_were_ended(
    hub: RunningHub, own: tuple[Settings, Database]
) -> None:
    settings, writing = own
    relaying = open_database(settings)
    hints = Hints(NO_VALKEY)
    work = WorkerContext(relaying, settings, Checkout(relaying, settings, {}), hints)
    task = asyncio.create_task(runner.run_relay(work))
    try:
        await write_sample(writing, "Cart:1")
        await wait_until(lambda: _numbered(writing, 1))

        assert await _end_all_others(hub.database, writing, settings) >= 1
        await _end_all_others(hub.database, writing, settings)
        await write_sample(writing, "Cart:2")

        await wait_until(lambda: _numbered(writing, 2))
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await hints.close()
        await relaying.close()


async def _numbered(database: Database, count: int) -> bool:
    async with database.reading() as session:
        return await relay.end_of_feed(session) >= count


async def _end_all_others(server: Database, mine: Database, settings: Settings) -> int:
    """End every backend of the scratch database except the writing one; return how many."""
    async with mine.reading() as session:
        rows = await session.fetch("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        me = await backend_pid(session)
        name = await session.fetchval("SELECT current_database()")
    assert settings.database_url and name in settings.database_url
    others = {row["pid"] for row in rows} - {me}
    for pid in others:
        await terminate_backend(server, pid)
    return len(others)
