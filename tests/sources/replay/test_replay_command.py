"""`uriba load complete-journey --replay`: interrupted and run again, its exit status, and its refusal in production."""

from __future__ import annotations

import os
import subprocess
import sys
from asyncio import to_thread
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.scratch_database import open_scratch_database
from tests.support.waiting import wait_until
from uriba.config import to_environment
from uriba.db import Database
from uriba.db.statements import statement
from uriba.sources.loading import AddRows
from uriba.sources.replay.runner import ReplayTarget, replay
from uriba.sources.replay.sales import CompleteJourneySales

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

SLICE = ("--stores", "5", "--days", "15", "--chaos", "--seed", "5")


@contextmanager
def no_progress(_stage: str, _rows: int | None) -> Iterator[AddRows]:
    yield lambda _: None


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-m", "uriba", "load", "complete-journey", "--replay", *arguments),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def count_events(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.fetchval(statement("SELECT count(*) FROM pos_event")))


@pytest.mark.timeout(300)
async def test_running_again_completes_an_interrupted_replay(hub: RunningHub, tmp_path: Path) -> None:
    async with open_scratch_database(hub.settings) as (settings, database):
        environment = to_environment(settings) | {"URIBA_DATA_DIR": str(tmp_path), "COLUMNS": "110"}

        interrupted = start(environment, *SLICE)
        await wait_until(lambda: count_events(database), within_s=60)
        processes = psutil.Process(interrupted.pid).children(recursive=True)
        interrupted.terminate()
        output, _ = await to_thread(interrupted.communicate, timeout=60)
        sent = await count_events(database)

        assert interrupted.returncode == 1, output
        assert processes and not any(process.is_running() for process in processes)

        again = start(environment, *SLICE)
        output, _ = await to_thread(again.communicate, timeout=100)

        assert again.returncode == 0, output
        assert "✓ 5 stores, 15 days as rung up: hub and source agree" in output
        assert sent < await count_events(database)


@pytest.mark.timeout(300)
async def test_exits_with_1_if_hub_and_source_differ(hub: RunningHub, tmp_path: Path) -> None:
    async with open_scratch_database(hub.settings) as (settings, database):
        environment = to_environment(settings) | {"URIBA_DATA_DIR": str(tmp_path), "COLUMNS": "110"}
        target = ReplayTarget(database, environment, tmp_path)
        await replay(
            target, lambda: CompleteJourneySales(stores=1, days=4, products=200), seed=None, progress=no_progress
        )
        async with database.transaction(notify=False) as session:
            await session.run(statement("UPDATE orders SET customer_id = NULL WHERE number = '100001'"))

        different = start(environment, "--stores", "1", "--days", "4", "--products", "200")
        output, _ = await to_thread(different.communicate, timeout=100)

    assert different.returncode == 1, output
    assert "✗ 1 stores, 4 days, 200 products as rung up: 2 of" in output


@pytest.mark.engines
async def test_refuses_to_replay_in_production(tmp_path: Path) -> None:
    variables = {
        "URIBA_ENV": "production",
        "URIBA_DATABASE_URL": "postgresql://nobody",
        "URIBA_VALKEY_URL": "redis://nobody",
    }

    refused = start({**variables, "URIBA_DATA_DIR": str(tmp_path)}, "--stores", "1")
    output, _ = await to_thread(refused.communicate, timeout=60)

    assert refused.returncode == 1
    assert "it is not for production" in output
