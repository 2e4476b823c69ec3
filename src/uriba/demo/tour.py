"""The whole demo: open the hub, play the journey, check every invariant, show what to look at."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from rich.console import Console
from rich.table import Table

from uriba import invariants, supervisor
from uriba.config import Settings
from uriba.db import Database
from uriba.demo import farewell, hub
from uriba.demo.farewell import Made
from uriba.demo.hub import Processes
from uriba.demo.journey import Journey
from uriba.demo.operations import Operation
from uriba.demo.story import Broken, Story
from uriba.outbox.database import open_database
from uriba.sources import loading, progress
from uriba.sources.complete_journey import CompleteJourney

CHECK = Operation("uriba check", "")


@dataclass(frozen=True, slots=True)
class Wishes:
    """How much of the year, and whether to leave after the journey."""

    stores: int
    products: int
    leave: bool


def show(settings: Settings, wishes: Wishes) -> int:
    """The demo; its exit status.

    Errors: `HubFailed`, `SourceMissing`, `UnsafeSettings`, `EmbeddedError`.
    """
    console = Console(highlight=False)
    story = Story(console)
    farewell.title(console)
    with supervisor.terminating(), _hanging_up(console):
        try:
            return _show(story, settings, wishes)
        except KeyboardInterrupt:
            console.print("Stopped before the end.")
            return 130


@contextmanager
def _hanging_up(console: Console) -> Iterator[None]:
    """When the terminal's window is closed, stop as on SIGTERM, and write to it no more."""

    def hang_up(_signal: int, _frame: FrameType | None) -> None:
        console.quiet = True
        raise supervisor.Terminated(0)

    before = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _show(story: Story, settings: Settings, wishes: Wishes) -> int:
    story.chapter("The hub")
    year = CompleteJourney(stores=wishes.stores, products=wishes.products)
    with hub.engines(settings, story.done) as ready:
        began = time.perf_counter()
        asyncio.run(hub.migrated(ready))
        story.done(f"schema current in {time.perf_counter() - began:.1f} s")
        free = hub.with_free_port(ready)
        if free.port != ready.port:
            story.done(f"port {ready.port} is taken: {free.port} instead")
        with hub.processes(free) as processes:
            made = asyncio.run(_open_and_play(story, ready, processes, year))
            farewell.verdict(story)
            if made is not None and not wishes.leave:
                farewell.invite(story.console, processes.address, made)
                _stay(processes)
            story.chapter("Stopping")
    return 0 if story.held else 1


def _stay(processes: Processes) -> None:
    """Until Ctrl-C, which is how it ends well."""
    with suppress(KeyboardInterrupt):
        processes.wait()


async def _open_and_play(story: Story, settings: Settings, processes: Processes, year: CompleteJourney) -> Made | None:
    database = open_database(settings)
    try:
        # API and worker start while the goods are loaded.
        up_s, _ = await asyncio.gather(processes.ready(), _load(story, database, year))
        story.done(f"API and worker up in {up_s:.1f} s: {processes.address}/graphql")
        return await _play(story, database, processes.address)
    finally:
        await database.close()


async def _load(story: Story, database: Database, year: CompleteJourney) -> None:
    if await loading.is_loaded(database, year):
        story.done(f"goods of a real grocer's year were loaded before: {year.name}")
        return
    story.done(f"loading goods of a real grocer's year: {year.name}")
    with progress.progress_bars(story.console) as report_progress:
        await loading.load(database, year, progress=report_progress, coupons=False)


async def _play(story: Story, database: Database, address: str) -> Made | None:
    """The journey and the check; the keys that were made, where all of it held."""
    story.chapter("A cart goes from the phone to the till")
    keys = await hub.make_keys(database)
    tills: dict[str, str] = {}

    async def terminal_key(store: str) -> str:
        tills[store] = await hub.make_terminal_key(database, store)
        return tills[store]

    with suppress(Broken):
        await Journey(story, f"{address}/graphql", keys, terminal_key).play()
    await _check(story, database)
    if not story.held:
        return None
    ((store, till),) = tills.items()
    return Made(keys, store, till)


async def _check(story: Story, database: Database) -> None:
    with story.step("hub", "Check every invariant", CHECK) as step:
        findings = await invariants.check(database)
        table = Table("", "invariant", "rows", "time", box=None, pad_edge=False)
        for found in findings:
            mark = "[red]✗[/]" if found.rows else "[green]✓[/]"
            name = f"{found.invariant.number:>2}  {found.invariant.name}"
            table.add_row(mark, name, f"{found.rows}", f"[dim]{found.seconds * 1000:.0f} ms[/]")
        step.hear(table)
        broken = [found.invariant.name for found in findings if found.rows]
        step.hold(f"all {len(findings)} invariants hold, over everything that the hub has", not broken, found=broken)
