"""The command line of the benchmark."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import bare, execution, hub, presentation
from benchmarks.callers import Callers
from benchmarks.ceilings import Ceilings
from benchmarks.execution import Comparison
from benchmarks.figures import Measured
from benchmarks.meters import Meters
from benchmarks.rows import MAKERS, Row
from benchmarks.shop import Shop, open_shop

SECONDS = 5.0
NAMES = (*MAKERS, execution.NAME)

console = Console(stderr=True)

Seconds = Annotated[float, typer.Option("--seconds", min=0.5, max=600, help="How long each row is measured.")]
Only = Annotated[list[str] | None, typer.Option("--only", help=f"A row: {', '.join(NAMES)}; again for more.")]
Json = Annotated[Path | None, typer.Option("--json", help="Where to write the figures as JSON.")]
Processes = Annotated[int, typer.Option("--processes", min=1, max=64, help="API processes.")]


def bench(seconds: Seconds = SECONDS, only: Only = None, json: Json = None, processes: Processes = 1) -> None:
    """Start a hub, load a shop, and measure each operation beside its ceiling. Exit status 1 for a wrong answer.

    `execution` compares ways to execute documents, in a table of its own.
    """
    if unknown := set(only or ()) - set(NAMES):
        raise typer.BadParameter(f"no such row: {', '.join(sorted(unknown))}")
    names = [name for name in NAMES if not only or name in only]
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="uriba-bench-") as folder:
        data_dir = Path(folder, "hub")
        measured, comparisons = _measure(data_dir, Path(folder, "answers"), names, seconds, processes)
        clean, verdict = hub.check(data_dir)
    presentation.show(measured, comparisons, verdict, load=(load_before, os.getloadavg()[0]))
    if json is not None:
        json.write_text(presentation.as_json(measured, comparisons, clean=clean))
    if not clean or any(row.wrong for row in measured):
        raise typer.Exit(1)


def _measure(
    data_dir: Path, answers: Path, names: list[str], seconds: float, processes: int
) -> tuple[list[Measured], list[Comparison]]:
    """Measure all rows, and compare ways of execution, on a hub that ends with this function."""
    with ExitStack() as stack:
        _say("starting a hub")
        running = stack.enter_context(hub.running(data_dir, processes=processes))
        meters = Meters(running)
        shop = open_shop(running, say=_say)
        row_names = [name for name in names if name in MAKERS]
        measured = _measure_rows(stack, shop, meters, answers, row_names, seconds) if row_names else []
        comparisons = _compare(shop, seconds) if execution.NAME in names else []
        return measured, comparisons


def _measure_rows(
    stack: ExitStack, shop: Shop, meters: Meters, answers: Path, names: list[str], seconds: float
) -> list[Measured]:
    callers = stack.enter_context(Callers())
    rows = [MAKERS[name](shop, callers, seconds) for name in names]
    port = stack.enter_context(bare.serving(answers, {row.name: row.rehearse() for row in rows}))
    ceilings = Ceilings(callers, port, shop.hub, shop)
    return [_row(row, meters, ceilings) for row in rows]


def _compare(shop: Shop, seconds: float) -> list[Comparison]:
    _say("execution of documents: plans beside graphql-core")
    return execution.compare(shop, seconds)


def _row(row: Row, meters: Meters, ceilings: Ceilings) -> Measured:
    _say(row.title)
    return row.measure(meters, ceilings)


def _say(step: str) -> None:
    console.print(f"  {step} …", highlight=False)


def main() -> None:
    typer.run(bench)
