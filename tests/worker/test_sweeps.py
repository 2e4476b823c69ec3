"""Sweeps of the worker: due work is found in PostgreSQL, also without Valkey."""

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

from tests.support.sample_events import positions, write_sample
from tests.support.scratch_database import open_scratch_database
from tests.support.valkey_proxy import valkey_proxy
from tests.support.waiting import wait_until
from uriba.catalog import locations, products
from uriba.catalog.enums import LocationKind
from uriba.catalog.locations import LocationRow
from uriba.catalog.products import ProductRow, VariantRow
from uriba.checkout.completion import Checkout
from uriba.config import Settings
from uriba.core.actor import SYSTEM
from uriba.db import Database
from uriba.db.statements import statement
from uriba.inventory import adjustments, holds
from uriba.inventory.adjustments import Adjustment
from uriba.inventory.enums import StockReason
from uriba.inventory.holds import HeldUnits
from uriba.outbox.hints import Hints
from uriba.worker import runner, sweeps
from uriba.worker.sweeps import Sweep, WorkerContext

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

NO_VALKEY = "redis://127.0.0.1:1"
"""An address without a Valkey."""


@pytest.fixture
async def own(hub: RunningHub) -> AsyncIterator[tuple[Settings, Database]]:
    """The settings and database of a hub with ten TEA at S1."""
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
async def running_sweeps(settings: Settings, database: Database) -> AsyncIterator[asyncio.Task[None]]:
    """Run a worker's sweeps during the block."""
    hints = Hints(settings.valkey_url or NO_VALKEY)
    context = WorkerContext(database, settings, Checkout(database, settings, {}), hints)
    task = asyncio.create_task(runner.run_sweeps(context))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await hints.close()


@pytest.fixture
def every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "SWEEPS", tuple(replace(sweep, every_s=1) for sweep in sweeps.SWEEPS))


async def place_expired_hold(database: Database) -> None:
    """Hold three TEA for a payment whose time has already ended."""
    async with database.transaction() as session:
        row = await session.fetchrow("SELECT variant_id, location_id FROM stock_level")
        assert row is not None
        units = [HeldUnits(row["variant_id"], row["location_id"], 3)]
        await holds.place_and_commit(session, owner_id=uuid4(), units=units, term_s=0, reference="test", actor="test")


async def reserved(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.fetchval("SELECT reserved FROM stock_level"))


async def nothing_reserved(database: Database) -> bool:
    return await reserved(database) == 0


@pytest.mark.usefixtures("every_second")
async def test_arq_runs_the_sweeps_at_start_and_periodically(own: tuple[Settings, Database]) -> None:
    settings, database = own
    await place_expired_hold(database)

    async with running_sweeps(settings, database):
        await wait_until(lambda: nothing_reserved(database))
        await place_expired_hold(database)
        await wait_until(lambda: nothing_reserved(database))

    async with database.reading() as session:
        rows = await session.fetch("SELECT status FROM hold")
    assert [row["status"] for row in rows] == ["EXPIRED", "EXPIRED"]


@pytest.mark.usefixtures("every_second")
async def test_a_flushed_valkey_loses_no_work(own: tuple[Settings, Database]) -> None:
    settings, database = own

    async with running_sweeps(settings, database):
        await place_expired_hold(database)
        await wait_until(lambda: nothing_reserved(database))
        assert settings.valkey_url
        valkey = Redis.from_url(settings.valkey_url)
        await valkey.flushdb()
        await valkey.aclose()
        await place_expired_hold(database)

        await wait_until(lambda: nothing_reserved(database))


@pytest.mark.usefixtures("every_second")
async def test_sweeps_run_while_valkey_is_away_and_after_it_is_back(own: tuple[Settings, Database]) -> None:
    settings, database = own
    assert settings.valkey_url

    async with valkey_proxy(settings.valkey_url) as proxy:
        async with running_sweeps(settings.model_copy(update={"valkey_url": proxy.url}), database) as task:
            await place_expired_hold(database)
            await wait_until(lambda: nothing_reserved(database))

            await proxy.cut()
            await place_expired_hold(database)
            await wait_until(lambda: nothing_reserved(database))

            await proxy.listen()
            await place_expired_hold(database)
            await wait_until(lambda: nothing_reserved(database))
            assert not task.done()


async def test_without_valkey_a_failing_sweep_delays_no_other(
    own: tuple[Settings, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, database = own
    attempts: list[str] = []

    async def fail(_: WorkerContext) -> int:
        attempts.append("failed")
        raise asyncpg.ConnectionDoesNotExistError("gone")

    async def hang(_: WorkerContext) -> int:
        attempts.append("hung")
        await asyncio.Event().wait()
        raise AssertionError

    broken = (Sweep("failing", every_s=1, timeout_s=5, run=fail), Sweep("hanging", every_s=1, timeout_s=0, run=hang))
    monkeypatch.setattr(sweeps, "SWEEPS", (*broken, *sweeps.SWEEPS))
    await place_expired_hold(database)
    context = WorkerContext(database, settings, Checkout(database, settings, {}), Hints(NO_VALKEY))

    await runner.sweep_all(context)

    assert attempts == ["failed", "hung"]
    assert await nothing_reserved(database)
    await context.hints.close()


async def test_relay_and_sweeps_run_together_without_valkey(own: tuple[Settings, Database]) -> None:
    settings, database = own
    await place_expired_hold(database)
    without_valkey = settings.model_copy(update={"valkey_url": NO_VALKEY, "relay_poll_s": 0.05})

    running = asyncio.create_task(runner.run(without_valkey, lambda: None))
    try:
        await write_sample(database, "Cart:1")

        async def all_numbered() -> bool:
            return all(position is not None for position, _, _ in await positions(database))

        await wait_until(all_numbered)
        await wait_until(lambda: nothing_reserved(database))
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_old_idempotency_keys_are_deleted_and_new_ones_kept(own: tuple[Settings, Database]) -> None:
    settings, database = own
    async with database.transaction() as session:
        await session.run(
            statement(
                "INSERT INTO idempotency_key (caller, operation, key, digest, answer, created_at) "
                "SELECT 'c', 'o', k, '', 'true', now() - make_interval(secs => age) "
                "FROM (VALUES ('old', :term_s::float8 + 1), ('new', :term_s::float8 - 60)) AS given(k, age)"
            ),
            term_s=float(settings.idempotency_term_s),
        )
    context = WorkerContext(database, settings, Checkout(database, settings, {}), Hints(NO_VALKEY))

    found = await sweeps.forget_old(context)

    async with database.reading() as session:
        left = await session.fetch("SELECT key FROM idempotency_key")
    assert found == 1
    assert [row["key"] for row in left] == ["new"]
    await context.hints.close()
