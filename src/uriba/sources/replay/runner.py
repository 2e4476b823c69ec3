"""A replay of the year: its baskets are sent through `posSync` as the stores' tills would send them, then compared.

All of the year is replayed: 155,848 baskets of 457 stores, 1,469,307 lines, 4,596,039.58 dollars; see `sales`. Levels
begin with the opening stock of a load: the units that each store sold in the slice, and a margin. The hub applies each
event once, so a replay that was interrupted or is run again ends with the same figures.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uriba.db import Database
from uriba.sources import loading
from uriba.sources.coupons import CampaignCoupons
from uriba.sources.loading import Progress
from uriba.sources.replay import comparison, schedule, sync_client
from uriba.sources.replay.api_process import run_api
from uriba.sources.replay.comparison import ComparisonRow
from uriba.sources.replay.errors import ReplayRefused
from uriba.sources.replay.sale_events import SaleEvents
from uriba.sources.replay.sales import CompleteJourneySales
from uriba.sources.replay.schedule import Schedule
from uriba.sources.replay.sync_client import SyncSummary, TillConnection
from uriba.sources.replay.terminal_keys import load_or_issue_keys

LOG = "replay.log"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The result of a replay. `seconds`: the time of sending. `loading_memory_mb` and `memory_mb`: the most memory that
    this program used until the load was done, and until the end."""

    rows: list[ComparisonRow]
    summary: SyncSummary
    events: int
    seconds: float
    loading_memory_mb: int
    memory_mb: int

    @property
    def equal(self) -> bool:
        return all(row.equal for row in self.rows)


@dataclass(frozen=True, slots=True)
class ReplayTarget:
    """The hub to replay into: its database, its settings as environment variables, and its data directory."""

    database: Database
    environment: Mapping[str, str]
    data_dir: Path


async def replay(
    target: ReplayTarget, make_slice: Callable[[], CompleteJourneySales], *, seed: int | None, progress: Progress
) -> ReplayResult:
    """Load a slice, send all of its sales, and compare hub and source. `seed`: of a chaotic schedule; None: orderly.

    Errors: `ReplayRefused` if the hub has other orders, `ReplayFailed` if it does not accept what is sent.
    """
    # The slice is made again after the load, so that the tables that only loading needs do not stay in memory.
    await loading.load(target.database, make_slice(), progress=progress)
    loading_memory_mb = _peak_memory_mb()
    year = make_slice()
    events = await asyncio.to_thread(SaleEvents, year)
    events.coupons = await asyncio.to_thread(lambda: CampaignCoupons(year).codes_by_basket(list(events.summaries())))
    plan = _schedule(events, seed)
    replay_name = year.name if seed is None else f"{year.name}, with chaos {seed}"
    stores = [till.store for till in events.tills]
    keys = await load_or_issue_keys(target.database, target.data_dir, replay_name=replay_name, stores=stores)
    connections = [
        TillConnection(keys[store], offset_s) for store, offset_s in zip(stores, plan.clock_offsets_s, strict=True)
    ]
    async with run_api(target.environment, target.data_dir / LOG) as url:
        began = time.perf_counter()
        with progress("sales", plan.events) as add_rows:
            summary = await sync_client.send_batches(url, plan, events, connections, add_rows)
        seconds = time.perf_counter() - began
    await loading.relay_events(target.database, progress)
    with progress("comparing", events.size) as add_rows:
        rows = await comparison.compare(target.database, events, petrol=year.petrol, add_rows=add_rows)
    rows.append(await comparison.compare_coupons(target.database, events))
    rows += [_acknowledged(events, connections), _parked(summary)]
    return ReplayResult(rows, summary, plan.events, seconds, loading_memory_mb, _peak_memory_mb())


def _schedule(events: SaleEvents, seed: int | None) -> Schedule:
    if not events.size:
        raise ReplayRefused("Nothing was sold in this slice. Choose a larger one.")
    baskets = [till.baskets for till in events.tills]
    if seed is None:
        return schedule.orderly(baskets, events.seconds)
    return schedule.chaotic(baskets, events.seconds, seed=seed)


def _acknowledged(events: SaleEvents, connections: Sequence[TillConnection]) -> ComparisonRow:
    """Compare the events with those that the hub has acknowledged; none may be missing."""
    acknowledged = sum(connection.acknowledged for connection in connections)
    equal = acknowledged == events.size and not any(connection.missing for connection in connections)
    return ComparisonRow("events acknowledged by the hub", f"{events.size:,}", f"{acknowledged:,}", equal)


def _parked(summary: SyncSummary) -> ComparisonRow:
    parked = sum(count for status, count in summary.statuses.items() if status not in ("APPLIED", "DUPLICATE"))
    return ComparisonRow("events parked for staff", "0", f"{parked:,}", not parked)


def _peak_memory_mb() -> int:
    """Return the most memory that this process has used."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)
