"""`uriba load complete-journey --replay` as people run it: broken off, run again, and what its exit status says."""

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

from patience import eventually
from scratch import scratch_hub
from uriba import supervisor
from uriba.db import Database
from uriba.sources.loading import ReportRows
from uriba.sources.replay.runner import ReplayTarget, replay
from uriba.sources.replay.sales import CompleteJourneySales

if TYPE_CHECKING:
    from conftest import RunningHub

SLICE = ("--stores", "5", "--days", "15", "--chaos", "--seed", "5")


@contextmanager
def unseen(_stage: str, _rows: int | None) -> Iterator[ReportRows]:
    yield lambda _: None


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-m", "uriba", "load", "complete-journey", "--replay", *arguments),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def facts(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.fetchval("SELECT count(*) FROM pos_event"))


@pytest.mark.timeout(300)
async def test_a_replay_that_broke_off_is_finished_by_another(hub: RunningHub, tmp_path: Path) -> None:
    async with scratch_hub(hub.settings) as (settings, database):
        environment = supervisor.environment(settings) | {"URIBA_DATA_DIR": str(tmp_path), "COLUMNS": "110"}

        async def begun() -> int:
            # Who waits here longer than the replay takes has missed it.
            return await facts(database)

        broken_off = start(environment, *SLICE)
        await eventually(begun, within_s=60)
        processes = psutil.Process(broken_off.pid).children(recursive=True)
        broken_off.terminate()
        told, _ = await to_thread(broken_off.communicate, timeout=60)
        sent = await facts(database)

        assert broken_off.returncode == 1, told
        assert processes and not any(process.is_running() for process in processes)

        again = start(environment, *SLICE)
        told, _ = await to_thread(again.communicate, timeout=100)

        assert again.returncode == 0, told
        assert "✓ 5 stores, 15 days as rung up: the hub's books are the source's" in told
        assert sent < await facts(database)


@pytest.mark.timeout(300)
async def test_the_exit_status_says_that_the_books_differ(hub: RunningHub, tmp_path: Path) -> None:
    async with scratch_hub(hub.settings) as (settings, database):
        environment = supervisor.environment(settings) | {"URIBA_DATA_DIR": str(tmp_path), "COLUMNS": "110"}
        own = ReplayTarget(database, environment, tmp_path)
        await replay(own, lambda: CompleteJourneySales(stores=1, days=4, products=200), chaos=None, watch=unseen)
        async with database.transaction(tell=False) as session:
            await session.run("UPDATE orders SET customer_id = NULL WHERE number = '100001'")

        different = start(environment, "--stores", "1", "--days", "4", "--products", "200")
        told, _ = await to_thread(different.communicate, timeout=100)

    assert different.returncode == 1, told
    assert "✗ 1 stores, 4 days, 200 products as rung up: 2 of" in told


async def test_a_replay_is_not_for_production(tmp_path: Path) -> None:
    given = {
        "URIBA_ENV": "production",
        "URIBA_DATABASE_URL": "postgresql://nobody",
        "URIBA_VALKEY_URL": "redis://nobody",
    }

    refused = start({**given, "URIBA_DATA_DIR": str(tmp_path)}, "--stores", "1")
    told, _ = await to_thread(refused.communicate, timeout=60)

    assert refused.returncode == 1
    assert "it is not for production" in told
