"""The whole demo: start the hub, play the journey, check every invariant, and keep the hub running."""

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
from uriba.demo import hub_processes, summary
from uriba.demo.errors import StepFailed
from uriba.demo.hub_processes import HubProcesses
from uriba.demo.journey import Journey
from uriba.demo.operations import Operation
from uriba.demo.steps import StepLog
from uriba.demo.summary import CreatedKeys
from uriba.outbox.database import open_database
from uriba.sources import loading, progress
from uriba.sources.complete_journey import CompleteJourney

CHECK_COMMAND = Operation("uriba check", "")
INTERRUPTED_STATUS = 130


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How much of the year to load, and whether to exit after the journey."""

    stores: int
    products: int
    exit_after_journey: bool


def run_demo(settings: Settings, options: DemoOptions) -> int:
    """Run the demo, and return its exit status.

    Errors: `HubFailed`, `SourceNotInstalled`, `UnsafeSettings`, `EmbeddedError`.
    """
    console = Console(highlight=False)
    log = StepLog(console)
    summary.print_title(console)
    with supervisor.exit_on_signals(), _stopping_on_hangup(console):
        try:
            return _run(log, settings, options)
        except KeyboardInterrupt:
            console.print("Stopped before the end.")
            return INTERRUPTED_STATUS


@contextmanager
def _stopping_on_hangup(console: Console) -> Iterator[None]:
    """While the block runs, a closed terminal window (SIGHUP) stops the demo like SIGTERM, without further output."""

    def on_hangup(_signal: int, _frame: FrameType | None) -> None:
        console.quiet = True
        raise supervisor.Terminated(0)

    previous = signal.signal(signal.SIGHUP, on_hangup)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, previous)


def _run(log: StepLog, settings: Settings, options: DemoOptions) -> int:
    log.print_heading("The hub")
    year = CompleteJourney(stores=options.stores, products=options.products)
    with hub_processes.engines(settings, log.print_done) as ready:
        started = time.perf_counter()
        asyncio.run(hub_processes.migrate_schema(ready))
        log.print_done(f"schema current in {time.perf_counter() - started:.1f} s")
        free = hub_processes.with_free_port(ready)
        if free.port != ready.port:
            log.print_done(f"port {ready.port} is in use; using {free.port}")
        with hub_processes.run_hub(free) as hub:
            created = asyncio.run(_load_and_play(log, ready, hub, year))
            summary.print_result(log)
            if created is not None and not options.exit_after_journey:
                summary.print_addresses(log.console, hub.address, created)
                _wait_for_interrupt(hub)
            log.print_heading("Stopping")
    return 0 if log.passed else 1


def _wait_for_interrupt(hub: HubProcesses) -> None:
    """Wait until Ctrl-C, the regular end of the demo. Errors: `HubFailed`."""
    with suppress(KeyboardInterrupt):
        hub.wait()


async def _load_and_play(
    log: StepLog, settings: Settings, hub: HubProcesses, year: CompleteJourney
) -> CreatedKeys | None:
    database = open_database(settings)
    try:
        # API and worker start while the goods are loaded.
        ready_s, _ = await asyncio.gather(hub.wait_until_ready(), _load(log, database, year))
        log.print_done(f"API and worker up in {ready_s:.1f} s: {hub.address}/graphql")
        return await _play(log, database, hub.address)
    finally:
        await database.close()


async def _load(log: StepLog, database: Database, year: CompleteJourney) -> None:
    if await loading.is_loaded(database, year):
        log.print_done(f"the goods of a grocer's real year are already loaded: {year.name}")
        return
    log.print_done(f"loading the goods of a grocer's real year: {year.name}")
    with progress.progress_bars(log.console) as report_progress:
        await loading.load(database, year, progress=report_progress, coupons=False)


async def _play(log: StepLog, database: Database, address: str) -> CreatedKeys | None:
    """Play the journey and check the invariants. Return the created keys if all steps passed."""
    log.print_heading("A cart goes from the phone to the till")
    program_keys = await hub_processes.create_keys(database)
    terminal_keys: dict[str, str] = {}

    async def create_terminal_key(store: str) -> str:
        terminal_keys[store] = await hub_processes.create_terminal_key(database, store)
        return terminal_keys[store]

    with suppress(StepFailed):
        await Journey(log, f"{address}/graphql", program_keys, create_terminal_key).play()
    await _check_invariants(log, database)
    if not log.passed:
        return None
    ((store, terminal_key),) = terminal_keys.items()
    return CreatedKeys(program_keys, store, terminal_key)


async def _check_invariants(log: StepLog, database: Database) -> None:
    with log.step("hub", "Check every invariant", CHECK_COMMAND) as step:
        findings = await invariants.check(database)
        table = Table("", "invariant", "rows", "time", box=None, pad_edge=False)
        for finding in findings:
            mark = "[red]✗[/]" if finding.rows else "[green]✓[/]"
            name = f"{finding.invariant.number:>2}  {finding.invariant.name}"
            table.add_row(mark, name, f"{finding.rows}", f"[dim]{finding.seconds * 1000:.0f} ms[/]")
        step.show(table)
        broken = [finding.invariant.name for finding in findings if finding.rows]
        step.check(f"all {len(findings)} invariants hold for all data of the hub", not broken, found=broken)
