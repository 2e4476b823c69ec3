"""The command line of the benchmark."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import bare_route, execution, hub, report
from benchmarks.ceilings import Ceilings
from benchmarks.execution import Comparison
from benchmarks.load_generator import LoadGenerator
from benchmarks.measurements import Measurement
from benchmarks.resource_usage import UsageMeter
from benchmarks.rows import ROW_BUILDERS
from benchmarks.shop import Shop, load_shop

SECONDS = 5.0
NAMES = (*ROW_BUILDERS, execution.NAME)

console = Console(stderr=True)

Seconds = Annotated[float, typer.Option("--seconds", min=0.5, max=600, help="How long each row is measured.")]
Only = Annotated[
    list[str] | None, typer.Option("--only", help=f"A row: {', '.join(NAMES)}; repeat the option for more.")
]
Json = Annotated[Path | None, typer.Option("--json", help="Where to write the figures as JSON.")]
Processes = Annotated[int, typer.Option("--processes", min=1, max=64, help="API processes.")]


def bench(seconds: Seconds = SECONDS, only: Only = None, json: Json = None, processes: Processes = 1) -> None:
    """Start a hub, load a shop, and measure each operation beside its ceiling. Exit status 1 if an answer is wrong.

    `execution` compares ways to execute documents, in a table of its own.
    """
    if unknown := set(only or ()) - set(NAMES):
        raise typer.BadParameter(f"no such row: {', '.join(sorted(unknown))}")
    names = [name for name in NAMES if not only or name in only]
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="uriba-bench-") as folder:
        data_dir = Path(folder, "hub")
        measurements, comparisons = _measure(data_dir, Path(folder, "responses"), names, seconds, processes)
        clean, check_output = hub.check_invariants(data_dir)
    report.print_report(measurements, comparisons, check_output, load=(load_before, os.getloadavg()[0]))
    if json is not None:
        json.write_text(report.to_json(measurements, comparisons, clean=clean))
    if not clean or any(row.errors for row in measurements):
        raise typer.Exit(1)


def _measure(
    data_dir: Path, responses: Path, names: list[str], seconds: float, processes: int
) -> tuple[list[Measurement], list[Comparison]]:
    """Measure all rows, and compare ways of execution, on a hub that ends with this function."""
    with ExitStack() as stack:
        _report_step("starting a hub")
        running_hub = stack.enter_context(hub.run_hub(data_dir, processes=processes))
        meter = UsageMeter(running_hub)
        shop = load_shop(running_hub, report_step=_report_step)
        row_names = [name for name in names if name in ROW_BUILDERS]
        measurements = _measure_rows(stack, shop, meter, responses, row_names, seconds) if row_names else []
        comparisons = _compare(shop, seconds) if execution.NAME in names else []
        return measurements, comparisons


def _measure_rows(
    stack: ExitStack, shop: Shop, meter: UsageMeter, responses: Path, names: list[str], seconds: float
) -> list[Measurement]:
    load_generator = stack.enter_context(LoadGenerator())
    rows = [ROW_BUILDERS[name](shop, load_generator, seconds) for name in names]
    port = stack.enter_context(bare_route.run_bare_routes(responses, {row.name: row.rehearse() for row in rows}))
    ceilings = Ceilings(load_generator, port, shop.hub, shop)
    measurements = []
    for row in rows:
        _report_step(row.title)
        measurements.append(row.measure(meter, ceilings))
    return measurements


def _compare(shop: Shop, seconds: float) -> list[Comparison]:
    _report_step("execution of documents: plans beside graphql-core")
    return execution.compare(shop, seconds)


def _report_step(step: str) -> None:
    console.print(f"  {step} …", highlight=False)


def main() -> None:
    typer.run(bench)
