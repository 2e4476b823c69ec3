"""Replaying the year: its baskets go through posSync as its stores' tills would send them; then the books are compared.

All of it is carried: 155,848 baskets of 457 stores, 1,469,307 lines, 4,596,039.58 dollars; `replay_trading` says how.
Levels begin with what each store sold in the slice and a margin, as for any load. An event is taken once, so a replay
that broke off, or is run again, ends in the same books.
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
from uriba.outbox import relay
from uriba.sources import loading
from uriba.sources.coupons import CampaignCoupons
from uriba.sources.loading import ProgressReporter
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
    """How a replay ended. `seconds` is what the sending took; `memory_mb` the most that this program held, loading
    before, and after."""

    rows: list[ComparisonRow]
    told: SyncSummary
    events: int
    seconds: float
    memory_mb: tuple[int, int]

    @property
    def equal(self) -> bool:
        return all(row.equal for row in self.rows)


@dataclass(frozen=True, slots=True)
class ReplayTarget:
    """The hub to replay into: its database, its settings as variables, and its data dir."""

    database: Database
    environment: Mapping[str, str]
    folder: Path


async def replay(
    hub: ReplayTarget, slice_: Callable[[], CompleteJourneySales], *, chaos: int | None, watch: ProgressReporter
) -> ReplayResult:
    """Load a slice, send all that it sold, and compare; `chaos` is the seed of a bad year.

    Errors: `ReplayRefused` where the hub has sold something else, `ReplayFailed` where it does not take what is sent.
    """
    # Made anew below: what only loading looks at need not stay in memory.
    await loading.load(hub.database, slice_(), watch=watch)
    loaded_mb = _memory_mb()
    year = slice_()
    receipts = await asyncio.to_thread(SaleEvents, year)
    receipts.coupons = await asyncio.to_thread(lambda: CampaignCoupons(year).used(list(receipts.bought())))
    plan = _plan(receipts, chaos)
    replayed = year.name if chaos is None else f"{year.name}, with chaos {chaos}"
    stores = [till.store for till in receipts.tills]
    keys = await load_or_issue_keys(hub.database, hub.folder, replayed=replayed, stores=stores)
    lines = [TillConnection(keys[store], clock_s) for store, clock_s in zip(stores, plan.clocks_s, strict=True)]
    async with run_api(hub.environment, hub.folder / LOG) as url:
        began = time.perf_counter()
        with watch("sales", plan.events) as count:
            told = await sync_client.send_batches(url, plan, receipts, lines, count)
        seconds = time.perf_counter() - began
    await _relay(hub.database, watch)
    with watch("comparing", receipts.size) as count:
        rows = await comparison.compare(hub.database, receipts, petrol=year.petrol, count=count)
    rows.append(await _redeemed(hub.database, receipts))
    rows += [_acknowledged(receipts, lines), _parked(told)]
    return ReplayResult(rows, told, plan.events, seconds, (loaded_mb, _memory_mb()))


def _plan(receipts: SaleEvents, seed: int | None) -> Schedule:
    if not receipts.size:
        raise ReplayRefused("Nothing was sold in this slice.")
    places, seconds = [till.places for till in receipts.tills], receipts.seconds
    if seed is None:
        return schedule.orderly(places, seconds)
    return schedule.chaotic(places, seconds, seed=seed)


async def _relay(database: Database, watch: ProgressReporter) -> None:
    """Give the sales' events their place in the feed, as a worker would."""
    async with database.reading() as session:
        waiting = await relay.waiting(session)
    with watch("events", waiting) as count:
        while numbered := (await relay.number(database))[0]:
            count(numbered)


async def _redeemed(database: Database, receipts: SaleEvents) -> ComparisonRow:
    """Coupons that the hub counts with the very baskets that they were used with."""
    async with database.reading() as session:
        rows = await session.fetch(
            "SELECT o.receipt, c.code FROM coupon_redemption r JOIN coupon c ON c.id = r.coupon_id "
            "JOIN orders o ON o.id = r.order_id WHERE r.reversed_at IS NULL AND o.receipt IS NOT NULL"
        )
    numbers = receipts.baskets["receipt"]
    meant = {(str(numbers[place]), code) for place, codes in receipts.coupons.items() for code in codes}
    kept = {(row["receipt"], row["code"]) for row in rows}
    return ComparisonRow("coupons redeemed", f"{len(meant):,}", f"{len(kept):,}", meant == kept)


def _acknowledged(receipts: SaleEvents, lines: Sequence[TillConnection]) -> ComparisonRow:
    """What the tills may forget: all of it, none missing."""
    safe = sum(line.acknowledged for line in lines)
    equal = safe == receipts.size and not any(line.missing for line in lines)
    return ComparisonRow("events safe with the hub", f"{receipts.size:,}", f"{safe:,}", equal)


def _parked(told: SyncSummary) -> ComparisonRow:
    parked = sum(told.statuses.get(status, 0) for status in told.statuses if status not in ("APPLIED", "DUPLICATE"))
    return ComparisonRow("events that a person has to look at", "0", f"{parked:,}", not parked)


def _memory_mb() -> int:
    """The most memory that this program has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)
