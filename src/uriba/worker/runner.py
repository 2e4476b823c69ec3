"""The worker process: the relay, the webhook dispatcher and the sweeps.

arq schedules the sweeps through Valkey, so that one of many workers runs each of them. Without Valkey each worker runs
all of them itself, which is correct too: a sweep may run anywhere, at any time, any number of times.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from arq import cron
from arq.connections import RedisSettings
from arq.cron import CronJob
from arq.worker import Worker
from redis.exceptions import RedisError

from uriba import logs
from uriba.checkout.completion import Checkout
from uriba.checkout.gateways.configured import gateways
from uriba.config import Settings
from uriba.metrics import EVENTS_RELAYED, ROWS_SWEPT
from uriba.outbox import relay
from uriba.outbox.database import open_database
from uriba.outbox.hints import COMMITTED, NUMBERED, Hints
from uriba.supervisor import HEARTBEAT_S, Heartbeat
from uriba.webhooks.dispatcher import Dispatcher
from uriba.worker import sweeps
from uriba.worker.sweeps import WorkerContext

log = structlog.get_logger()

RETRY_PAUSE_S = 0.5
"""The pause after a fault of PostgreSQL or Valkey."""

IDLE_TIMEOUT_S = 10.0
"""How long a transaction of a worker may be idle: other relays and dispatchers wait for its locks."""

RELAY_PAUSE_S = 0.015
"""The pause between two turns of the relay, so that commits in close succession share a turn."""


def run_until_terminated(settings: Settings, beat: Heartbeat) -> None:
    """Run the worker until this process is asked to end."""
    asyncio.run(run(settings, beat))


async def run(settings: Settings, beat: Heartbeat) -> None:
    """Run the relay, the webhook dispatcher and the sweeps until cancelled. `beat` is called every second."""
    logs.configure(settings)
    assert settings.database_url and settings.valkey_url
    database = open_database(settings.model_copy(update={"idle_timeout_s": IDLE_TIMEOUT_S}))
    hints = Hints(settings.valkey_url)
    database.after_commit = lambda: hints.publish(COMMITTED)
    checkout = Checkout(database, settings, gateways(database, settings))
    context = WorkerContext(database, settings, checkout, hints)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run_relay(context))
            tasks.create_task(Dispatcher(database, hints, settings).run())
            tasks.create_task(run_sweeps(context))
            tasks.create_task(_beat(beat))
    finally:
        await hints.close()
        await database.close()


async def _beat(beat: Heartbeat) -> None:
    while True:
        beat()
        await asyncio.sleep(HEARTBEAT_S)


async def run_relay(context: WorkerContext) -> None:
    """Give committed events their positions in the feed: after a hint, and at least every `relay_poll_s` seconds."""
    woken = asyncio.Event()

    async def wake(_: str) -> None:
        woken.set()

    listener = asyncio.create_task(context.hints.follow({COMMITTED}, wake))
    try:
        while True:
            woken.clear()
            if await relay_once(context) < relay.BATCH:
                await asyncio.sleep(RELAY_PAUSE_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(context.settings.relay_poll_s):
                        await woken.wait()
    finally:
        listener.cancel()


async def relay_once(context: WorkerContext) -> int:
    """Number the events that wait and return how many. A fault of PostgreSQL pauses the relay; no event is lost."""
    try:
        numbered, _ = await relay.number(context.database)
    except Exception as error:
        log.warning("the relay pauses after an error", error=str(error))
        await asyncio.sleep(RETRY_PAUSE_S)
        return 0
    if numbered:
        EVENTS_RELAYED.inc(numbered)
        context.hints.publish(NUMBERED)
    return numbered


async def run_sweeps(context: WorkerContext) -> None:
    """Let arq schedule the sweeps; while Valkey is not available, run them from here."""
    while True:
        worker = create_arq_worker(context)
        try:
            await worker.async_run()
        except (RedisError, OSError) as error:
            log.warning("Valkey is not available, sweeps run without arq", error=str(error))
            await sweep_all(context)
            await asyncio.sleep(RETRY_PAUSE_S)
        finally:
            await close_arq_worker(worker)


def create_arq_worker(context: WorkerContext) -> Worker:
    """Create the arq worker that runs each sweep by its schedule, one worker of all processes at a time."""
    assert context.settings.valkey_url
    return Worker(
        cron_jobs=[_scheduled(sweep) for sweep in sweeps.SWEEPS],
        redis_settings=RedisSettings.from_dsn(context.settings.valkey_url),
        ctx={"context": context},
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


async def close_arq_worker(worker: Worker) -> None:
    """Close an arq worker; without Valkey it cannot, which does no harm."""
    try:
        await worker.close()
    except (RedisError, OSError, AttributeError) as error:
        log.debug("the arq worker could not be closed", error=str(error))


def _scheduled(sweep: sweeps.Sweep) -> CronJob:
    async def job(ctx: dict[Any, Any]) -> None:
        await sweep_once(ctx["context"], sweep)

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


async def sweep_once(context: WorkerContext, sweep: sweeps.Sweep) -> None:
    """Run a sweep and record how many rows it processed."""
    processed = await sweep.run(context)
    if processed:
        ROWS_SWEPT.labels(sweep.name).inc(processed)
        log.info("swept", sweep=sweep.name, rows=processed)


async def sweep_all(context: WorkerContext) -> None:
    """Run every sweep once. As with arq, one that fails does not stop the others and finds its work again next time."""
    for sweep in sweeps.SWEEPS:
        try:
            async with asyncio.timeout(sweep.timeout_s):
                await sweep_once(context, sweep)
        except Exception as error:
            log.warning("a sweep failed", sweep=sweep.name, error=str(error))


def _encode(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(content)


def _decode(content: bytes) -> dict[str, Any]:
    return msgspec.json.decode(content)  # type: ignore[no-any-return]
