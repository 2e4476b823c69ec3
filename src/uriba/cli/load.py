"""`uriba load`: load real data."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer

from uriba import supervisor
from uriba.cli.options import DataDir, read_settings, run_on_hub, running_engines, stderr, stdout, with_database
from uriba.config import Settings, UnsafeSettings, to_environment
from uriba.db import Database
from uriba.sources import loading, progress
from uriba.sources.complete_journey import CompleteJourney

cli = typer.Typer(no_args_is_help=True, help="Real data.")


@cli.command(name="complete-journey")
def complete_journey(
    stores: Annotated[int | None, typer.Option(min=1, help="Only the busiest stores.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Only what was sold in the first days.")] = None,
    products: Annotated[int | None, typer.Option(min=1, help="Only the best-selling products.")] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Afterwards send all sales again as the events of tills.")
    ] = False,
    chaos: Annotated[
        bool, typer.Option("--chaos", help="Replay with events that are late, duplicated and out of order.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The seed of --chaos.")] = 1,
    data_dir: DataDir = None,
) -> None:
    """Load a real year of a US grocer: stores, products, prices, households, opening stock. May be repeated."""
    if replay or chaos:
        limits = {"stores": stores, "days": days, "products": products}
        raise typer.Exit(_replay(read_settings(data_dir), limits, seed=seed if chaos else None))
    year = CompleteJourney(stores=stores, days=days, products=products)

    async def work(database: Database) -> loading.LoadResult:
        with progress.progress_bars(stderr) as report_progress:
            return await loading.load(database, year, progress=report_progress)

    loaded = run_on_hub(data_dir, work)
    stderr.print(f"{year.name}: {loaded.levels:,} stock levels, {loaded.received:,} of them received now")


def _replay(settings: Settings, limits: Mapping[str, int | None], *, seed: int | None) -> int:
    """Replay the sales of a slice of the year; return the exit status."""
    from uriba.sources.replay import report, runner
    from uriba.sources.replay.sales import CompleteJourneySales

    if settings.production:
        raise UnsafeSettings("A replay creates terminals and records a year's sales: it is not for production.")

    async def work(database: Database) -> runner.ReplayResult:
        hub = runner.ReplayTarget(database, to_environment(ready), ready.data_dir)
        with progress.progress_bars(stderr) as report_progress:
            return await runner.replay(hub, lambda: CompleteJourneySales(**limits), seed=seed, progress=report_progress)

    try:
        with supervisor.exit_on_signals(), running_engines(settings) as ready:
            ended = asyncio.run(with_database(ready, work))
    except supervisor.Terminated:
        return 1  # Nothing was compared.
    stdout.print(report.render_report(CompleteJourneySales(**limits).name, ended))
    return 0 if ended.equal else 1
