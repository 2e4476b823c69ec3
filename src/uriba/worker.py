"""The worker process: the relay, and sweeps that find due work in PostgreSQL again.

arq keeps the sweeps' clock, so that of many workers one runs each of them. Without Valkey this process keeps the clock
itself: every sweep may run anywhere, at any time, any number of times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from arq import cron
from arq.connections import RedisSettings
from arq.cron import CronJob
from arq.worker import Worker
from redis.exceptions import RedisError

from uriba import logs
from uriba.access import guess_limits, keys
from uriba.alerts import alerts, low_stock
from uriba.cart import carts
from uriba.checkout import completion
from uriba.checkout.completion import Checkout
from uriba.checkout.gateways.configured import gateways
from uriba.config import Settings
from uriba.connectors.runs import Connectors
from uriba.core import clock
from uriba.db import Database, idempotency
from uriba.fulfillment.allocation import backorders, rejections, shortages
from uriba.fulfillment.lifecycle import pickups
from uriba.inventory import holds
from uriba.metrics import RELAYED, SWEPT
from uriba.orders import till_returns
from uriba.outbox import feed, relay
from uriba.outbox.database import open_database
from uriba.outbox.hints import COMMITTED, NUMBERED, Hints
from uriba.webhooks import deliveries
from uriba.webhooks.dispatcher import Dispatcher

log = structlog.get_logger()

PAUSE_S = 0.5
"""After a fault of PostgreSQL or Valkey, before the next try."""

STILL_S = 10.0
"""A worker that stands still within a transaction loses it then: other relays and dispatchers wait for its locks."""

REST_S = 0.015
"""From one turn of the relay to the next: commits that follow each other closely share a turn."""


@dataclass(frozen=True, slots=True)
class Work:
    """What tasks work with."""

    database: Database
    settings: Settings
    checkout: Checkout
    hints: Hints


@dataclass(frozen=True, slots=True)
class Sweep:
    """A task that finds its own work; it returns how much there was. At least once, at most `timeout_s` long."""

    name: str
    every_s: int
    timeout_s: int
    run: Callable[[Work], Awaitable[int]]


async def finish_checkouts(work: Work) -> int:
    return await completion.sweep(work.checkout)


async def settle_payments(work: Work) -> int:
    return await work.checkout.settlement.sweep()


async def expire_pickups(work: Work) -> int:
    """A transaction for each, so that one that fails holds up no other. Errors: what the failed ones raised."""
    async with work.database.reading() as session:
        overdue = await pickups.overdue(session)
    ended, failed = 0, []
    for fulfillment_id, order_id in overdue:
        try:
            async with work.database.transaction() as session:
                ended += await pickups.expire(session, fulfillment_id, order_id)
        except Exception as error:
            failed.append(error)
    if failed:
        raise ExceptionGroup("some pickups could not be put back", failed)
    return ended


async def clear_counted(work: Work) -> int:
    async with work.database.transaction() as session:
        return await rejections.clear_counted(session)


async def expire_holds(work: Work) -> int:
    async with work.database.transaction() as session:
        return await holds.expire(session)


async def link_returns(work: Work) -> int:
    async with work.database.transaction() as session:
        return await till_returns.link_waiting(session)


async def expire_carts(work: Work) -> int:
    async with work.database.transaction() as session:
        return await carts.expire(session, older_than_s=work.settings.cart_term_s)


async def resource_shortages(work: Work) -> int:
    """A transaction for each level, so that locks are few and short. A level that fails holds up no other.

    Errors: what the failed ones raised, in a group; they are found again.
    """
    async with work.database.reading() as session:
        short = await shortages.short_levels(session, limit=100)
    moved, failed = 0, []
    for level in short:
        try:
            async with work.database.transaction() as session:
                moved += await shortages.resource(session, level)
        except Exception as error:
            failed.append(error)
    if failed:
        raise ExceptionGroup("some shortages could not be settled", failed)
    return moved


async def serve_backorders(work: Work) -> int:
    async with work.database.transaction() as session:
        return await backorders.serve_waiting(session, limit=100)


async def watch_alerts(work: Work) -> int:
    async with work.database.transaction() as session:
        return await alerts.watch(session, now=clock.now(), default_hours=work.settings.opening_hours)


async def watch_stock(work: Work) -> int:
    """A transaction for each piece of the feed, so that a long one is not looked through twice."""
    changed, more = 0, True
    while more:
        async with work.database.transaction() as session:
            found, more = await low_stock.watch(session, low=work.settings.low_stock)
        changed += found
    return changed


async def run_connectors(work: Work) -> int:
    return await Connectors(work.database, work.settings, work.checkout).run_due()


async def forget_old(work: Work) -> int:
    async with work.database.transaction(notify=False) as session:
        return (
            await idempotency.forget(session, older_than_s=work.settings.idempotency_term_s)
            + await keys.forget_expired(session)
            + await guess_limits.forget(session, older_than_s=work.settings.handoff_term_s)
            + await deliveries.forget(session, older_than_s=work.settings.delivery_term_s)
            + await feed.forget(
                session,
                older_than_s=work.settings.event_term_s,
                needed_after=await deliveries.needed_after(session),
            )
        )


SWEEPS = (
    Sweep("finish_checkouts", every_s=5, timeout_s=60, run=finish_checkouts),
    Sweep("settle_payments", every_s=5, timeout_s=60, run=settle_payments),
    Sweep("expire_pickups", every_s=30, timeout_s=60, run=expire_pickups),
    Sweep("clear_counted", every_s=10, timeout_s=30, run=clear_counted),
    Sweep("expire_holds", every_s=1, timeout_s=30, run=expire_holds),
    Sweep("resource_shortages", every_s=2, timeout_s=60, run=resource_shortages),
    Sweep("serve_backorders", every_s=10, timeout_s=30, run=serve_backorders),
    Sweep("link_returns", every_s=10, timeout_s=30, run=link_returns),
    Sweep("expire_carts", every_s=60, timeout_s=30, run=expire_carts),
    Sweep("watch_alerts", every_s=5, timeout_s=30, run=watch_alerts),
    Sweep("watch_stock", every_s=5, timeout_s=60, run=watch_stock),
    Sweep("forget_old", every_s=60, timeout_s=60, run=forget_old),
    Sweep("run_connectors", every_s=2, timeout_s=120, run=run_connectors),
)
"""Every sweep there is."""


async def run(settings: Settings) -> None:
    """Relay and sweep until cancelled."""
    logs.configure(settings)
    assert settings.database_url and settings.valkey_url
    database = open_database(settings.model_copy(update={"idle_timeout_s": STILL_S}))
    hints = Hints(settings.valkey_url)
    database.after_commit = lambda: hints.publish(COMMITTED)
    checkout = Checkout(database, settings, gateways(database, settings))
    work = Work(database, settings, checkout, hints)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(relay_for_ever(work))
            tasks.create_task(Dispatcher(database, hints, settings).run())
            tasks.create_task(sweep_for_ever(work))
    finally:
        await hints.close()
        await database.close()


async def relay_for_ever(work: Work) -> None:
    """Number events as they are committed, woken by hints or by the clock."""
    woken = asyncio.Event()

    async def wake(_: str) -> None:
        woken.set()

    listener = asyncio.create_task(work.hints.follow({COMMITTED}, wake))
    try:
        while True:
            woken.clear()
            if await relay_once(work) < relay.BATCH:
                await asyncio.sleep(REST_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(work.settings.relay_poll_s):
                        await woken.wait()
    finally:
        listener.cancel()


async def relay_once(work: Work) -> int:
    """Number what waits; a fault of PostgreSQL pauses the relay, nothing is lost by that."""
    try:
        numbered, _ = await relay.number(work.database)
    except Exception as error:
        log.warning("relay paused", error=str(error))
        await asyncio.sleep(PAUSE_S)
        return 0
    if numbered:
        RELAYED.inc(numbered)
        work.hints.publish(NUMBERED)
    return numbered


async def sweep_for_ever(work: Work) -> None:
    """Let arq keep the sweeps' clock; keep it here while Valkey is away."""
    while True:
        worker = arq_worker(work)
        try:
            await worker.async_run()
        except (RedisError, OSError) as error:
            log.warning("Valkey is away: sweeping without arq", error=str(error))
            await sweep_all(work)
            await asyncio.sleep(PAUSE_S)
        finally:
            await close(worker)


def arq_worker(work: Work) -> Worker:
    assert work.settings.valkey_url
    return Worker(
        cron_jobs=[_scheduled(sweep) for sweep in SWEEPS],
        redis_settings=RedisSettings.from_dsn(work.settings.valkey_url),
        ctx={"work": work},
        queue_name="uriba:arq",
        poll_delay=0.25,
        keep_result=0,
        max_tries=1,
        health_check_interval=15,
        handle_signals=False,
        log_results=False,
        job_serializer=_encode,
        job_deserializer=_decode,
    )


async def close(worker: Worker) -> None:
    try:
        await worker.close()
    except (RedisError, OSError, AttributeError) as error:
        log.debug("arq worker not closed", error=str(error))


def _scheduled(sweep: Sweep) -> CronJob:
    async def job(ctx: dict[Any, Any]) -> None:
        await sweep_once(ctx["work"], sweep)

    seconds = set(range(0, 60, sweep.every_s)) if sweep.every_s < 60 else {0}
    return cron(
        job,
        name=sweep.name,
        second=seconds,
        run_at_startup=True,
        timeout=sweep.timeout_s,
        keep_result=0,
        max_tries=1,
    )


async def sweep_once(work: Work, sweep: Sweep) -> None:
    found = await sweep.run(work)
    if found:
        SWEPT.labels(sweep.name).inc(found)
        log.info("swept", sweep=sweep.name, found=found)


async def sweep_all(work: Work) -> None:
    """Every sweep once. One that fails finds its work again next time, and holds up no other: as with arq."""
    for sweep in SWEEPS:
        try:
            async with asyncio.timeout(sweep.timeout_s):
                await sweep_once(work, sweep)
        except Exception as error:
            log.warning("sweep failed", sweep=sweep.name, error=str(error))


def _encode(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(content)


def _decode(content: bytes) -> dict[str, Any]:
    return msgspec.json.decode(content)  # type: ignore[no-any-return]
