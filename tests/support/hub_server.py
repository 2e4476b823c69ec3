"""Run a hub in the test's process: an API server on a loopback port, the relay and the dispatcher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.api_server import serve
from tests.support.hub import RunningHub
from uriba import app
from uriba.checkout.completion import Checkout
from uriba.checkout.gateways.configured import gateways
from uriba.config import Settings
from uriba.outbox.database import open_database
from uriba.outbox.hints import COMMITTED, Hints
from uriba.webhooks.dispatcher import Dispatcher
from uriba.worker import runner
from uriba.worker.sweeps import WorkerContext


@asynccontextmanager
async def run_hub(settings: Settings) -> AsyncIterator[RunningHub]:
    """Run a hub on a migrated database."""
    assert settings.valkey_url
    database = open_database(settings)
    hints = Hints(settings.valkey_url)
    database.after_commit = lambda: hints.publish(COMMITTED)
    work = WorkerContext(database, settings, Checkout(database, settings, gateways(database, settings)), hints)
    loops = [
        asyncio.create_task(runner.run_relay(work)),
        asyncio.create_task(Dispatcher(database, hints, settings).run()),
    ]
    async with serve(app.create(settings)) as url:
        yield RunningHub(url, settings, database, work)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await hints.close()
    await database.close()
