"""The worker: due work is found in PostgreSQL, whatever becomes of Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis
from wire import wire_to

from sample_events import positions, write_sample
from scratch_database import open_scratch_database
from uriba.catalog import locations, products
from uriba.catalog.locations import LocationRow
from uriba.catalog.models import LocationKind
from uriba.catalog.products import ProductRow, VariantRow
from uriba.checkout.completion import Checkout
from uriba.config import Settings
from uriba.core.actor import SYSTEM
from uriba.db import Database
from uriba.inventory import adjustments, holds
from uriba.inventory.adjustments import Adjustment
from uriba.inventory.holds import HeldUnits
from uriba.inventory.models import StockReason
from uriba.outbox.hints import Hints
from uriba.worker import runner, sweeps
from uriba.worker.sweeps import Sweep, WorkerContext
from waiting import eventually

if TYPE_CHECKING:
    from conftest import RunningHub

NOWHERE = "redis://127.0.0.1:1"
"""An address where no Valkey is."""


@pytest.fixture
async def own(hub: RunningHub) -> AsyncIterator[tuple[Settings, Database]]:
    """A hub's settings and database with ten TEA on the shelf of S1."""
    async with open_scratch_database(hub.settings) as (settings, database):
        async with database.transaction() as session:
            await locations.upsert(session, [LocationRow("S1", "Shibuya", LocationKind.STORE)])
            await products.upsert(session, [ProductRow("tea", "Tea", [VariantRow("TEA", "Tea")])])
            await adjustments.adjust(
                session,
                actor=SYSTEM,
                changes=[Adjustment("TEA", "S1", 10)],
                reason=StockReason.RECEIPT,
                reference="opening",
            )
        yield settings, database


@asynccontextmanager
async def working(settings: Settings, database: Database) -> AsyncIterator[asyncio.Task[None]]:
    """A worker's sweeps, at least once a second, while the block lasts."""
    hints = Hints(settings.valkey_url or NOWHERE)
    work = WorkerContext(database, settings, Checkout(database, settings, {}), hints)
    task = asyncio.create_task(runner.run_sweeps(work))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await hints.close()


@pytest.fixture
def every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "SWEEPS", tuple(replace(sweep, every_s=1) for sweep in sweeps.SWEEPS))


async def hold(database: Database) -> None:
    """Three TEA held for a payment whose term is over already."""
    async with database.transaction() as session:
        row = await session.fetchrow("SELECT variant_id, location_id FROM stock_level")
        assert row is not None
        units = [HeldUnits(row["variant_id"], row["location_id"], 3)]
        await holds.place_and_commit(session, owner_id=uuid4(), units=units, term_s=0, reference="test", actor="test")


async def reserved(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.fetchval("SELECT reserved FROM stock_level"))


async def is_free(database: Database) -> bool:
    return await reserved(database) == 0


@pytest.mark.usefixtures("every_second")
async def test_arq_runs_the_sweeps_at_start_and_by_its_clock(own: tuple[Settings, Database]) -> None:
    settings, database = own
    await hold(database)

    async with working(settings, database):
        await eventually(lambda: is_free(database))
        await hold(database)
        await eventually(lambda: is_free(database))

    async with database.reading() as session:
        rows = await session.fetch("SELECT status FROM hold")
    assert [row["status"] for row in rows] == ["EXPIRED", "EXPIRED"]


@pytest.mark.usefixtures("every_second")
async def test_a_valkey_that_was_wiped_loses_nothing(own: tuple[Settings, Database]) -> None:
    settings, database = own

    async with working(settings, database):
        await hold(database)
        await eventually(lambda: is_free(database))
        assert settings.valkey_url
        valkey = Redis.from_url(settings.valkey_url)
        await valkey.flushall()
        await valkey.aclose()
        await hold(database)

        await eventually(lambda: is_free(database))


@pytest.mark.usefixtures("every_second")
async def test_sweeps_go_on_while_valkey_is_away_and_after_it_came_back(own: tuple[Settings, Database]) -> None:
    settings, database = own
    assert settings.valkey_url

    async with wire_to(settings.valkey_url) as wire:
        async with working(settings.model_copy(update={"valkey_url": wire.url}), database) as task:
            await hold(database)
            await eventually(lambda: is_free(database))

            await wire.cut()
            await hold(database)
            await eventually(lambda: is_free(database))

            await wire.mend()
            await hold(database)
            await eventually(lambda: is_free(database))
            assert not task.done()


async def test_without_valkey_a_sweep_that_fails_holds_up_no_other(
    own: tuple[Settings, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, database = own
    tries: list[str] = []

    async def fail(_: WorkerContext) -> int:
        tries.append("failed")
        raise asyncpg.ConnectionDoesNotExistError("gone")

    async def hang(_: WorkerContext) -> int:
        tries.append("hung")
        await asyncio.Event().wait()
        raise AssertionError

    broken = (Sweep("failing", every_s=1, timeout_s=5, run=fail), Sweep("hanging", every_s=1, timeout_s=0, run=hang))
    monkeypatch.setattr(sweeps, "SWEEPS", (*broken, *sweeps.SWEEPS))
    await hold(database)
    work = WorkerContext(database, settings, Checkout(database, settings, {}), Hints(NOWHERE))

    await runner.sweep_all(work)

    assert tries == ["failed", "hung"]
    assert await is_free(database)
    await work.hints.close()


async def test_relay_and_sweeps_run_together_without_valkey(own: tuple[Settings, Database]) -> None:
    settings, database = own
    await hold(database)
    alone = settings.model_copy(update={"valkey_url": NOWHERE, "relay_poll_s": 0.05})

    running = asyncio.create_task(runner.run(alone))
    try:
        await write_sample(database, "Cart:1")

        async def all_numbered() -> bool:
            return all(position is not None for position, _, _ in await positions(database))

        await eventually(all_numbered)
        await eventually(lambda: is_free(database))
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_old_answers_are_forgotten_and_young_ones_kept(own: tuple[Settings, Database]) -> None:
    settings, database = own
    async with database.transaction() as session:
        await session.run(
            "INSERT INTO idempotency_key (caller, operation, key, digest, answer, created_at) "
            "SELECT 'c', 'o', k, '', 'true', now() - make_interval(secs => age) "
            "FROM (VALUES ('old', $1::float8 + 1), ('young', $1::float8 - 60)) AS given(k, age)",
            float(settings.idempotency_term_s),
        )
    work = WorkerContext(database, settings, Checkout(database, settings, {}), Hints(NOWHERE))

    found = await sweeps.forget_old(work)

    async with database.reading() as session:
        left = await session.fetch("SELECT key FROM idempotency_key")
    assert found == 1
    assert [row["key"] for row in left] == ["young"]
    await work.hints.close()
