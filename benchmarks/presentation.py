"""The table."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import execution
from benchmarks.execution import Comparison
from benchmarks.figures import Measured

WIDTH = 180

COLUMNS = ("operation", "/s", "p50 ms", "p95 ms", "p99 ms", "SQL", "API CPU ms", "PG CPU ms", "ceiling /s", "ratio")

NOTES = (
    "A turn is one operation, or one whole journey: a cart with a line, a second line, a store to pick it up at, paid; "
    "at a till two lines scanned and cash. 16 callers over HTTP/1.1 that stays open; free-form queries with variables.",
    "Races: 32 buyers, each cart one unit, until the variant is gone; every try after that must be refused.",
    "SQL: statements per turn by pg_stat_statements, BEGIN and COMMIT among them; a statement is at most one round "
    "trip. The worker's own are left out: what the hub says before the first request, and a BEGIN and a COMMIT for "
    "each turn of the relay.",
    "CPU per turn: of the API's processes; of PostgreSQL's, where the relay's part is in it.",
    "Ceilings: a bare litestar route, same server settings, that returns the same bytes (journeys: of each of their "
    "requests); pgbench -M prepared with the ledger's stock statement, one unit of one level, as many clients.",
    "Rates of a shared machine move between runs; ratios within one run are what counts.",
)

EXECUTION_COLUMNS = (
    "execution of a document",
    "rows from",
    "graphql-core ms",
    "bound ms",
    "plans ms",
    "ratio",
    "of bound",
)
EXECUTION_RATIO_MIN = 2.0
EXECUTION_NOTE = (
    "CPU milliseconds of one execution in the API's process, parsing and validation left out: by graphql-core with "
    "strawberry's resolvers; by graphql-core with arguments bound as plans bind them; by plans, which the hub uses. "
    "Decision 5: plans stay while graphql-core takes twice as long for the sum of these documents from PostgreSQL."
)


def show(
    measured: Sequence[Measured], comparisons: Sequence[Comparison], verdict: str, *, load: tuple[float, float]
) -> None:
    """Print the tables with their notes, and the verdict of `uriba check`."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    if measured:
        console.print(table(measured, plain=not console.is_terminal))
    if comparisons:
        console.print(execution_table(comparisons, plain=not console.is_terminal))
    cores = os.cpu_count() or 1
    console.print(
        f"{cores} cores, load average {load[0]:.1f} before and {load[1]:.1f} after, "
        f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}."
    )
    for note in (*(NOTES if measured else ()), *((EXECUTION_NOTE,) if comparisons else ())):
        console.print(f"- {note}", highlight=False)
    for mark in remarks(measured):
        console.print(mark)
    console.print(verdict, highlight=False, markup=False)


def table(measured: Sequence[Measured], *, plain: bool) -> Table:
    """The figures, side by side with what is to be reached; plain: as Markdown."""
    made = Table(box=box.MARKDOWN if plain else box.SIMPLE_HEAD)
    for name in COLUMNS:
        made.add_column(name, justify="left" if name == "operation" else "right", no_wrap=True)
    made.add_column("target")
    for row in measured:
        made.add_row(*_cells(row))
    return made


def execution_table(comparisons: Sequence[Comparison], *, plain: bool) -> Table:
    """Return the comparison of the ways to execute a document, with sums by source; plain: as Markdown."""
    made = Table(box=box.MARKDOWN if plain else box.SIMPLE_HEAD)
    for name in EXECUTION_COLUMNS:
        made.add_column(name, justify="left" if name in EXECUTION_COLUMNS[:2] else "right", no_wrap=True)
    made.add_column("target")
    sources = list(dict.fromkeys(row.source for row in comparisons))
    for source in sources:
        total = execution.total(comparisons, source)
        for row in (*(row for row in comparisons if row.source == source), total):
            figures = (f"{ms:.3f}" for ms in (row.interpreter, row.bound, row.plan))
            target = ""
            if row is total and source == sources[0]:
                tick = "[green]✓[/]" if row.ratio >= EXECUTION_RATIO_MIN else "[red]✗[/]"
                target = f"{tick} ≥ {EXECUTION_RATIO_MIN:.1f}"
            made.add_row(row.title, source, *figures, f"{row.ratio:.2f}", f"{row.bound_ratio:.2f}", target)
    return made


def _cells(row: Measured) -> Iterator[str]:
    yield row.title
    yield f"{row.per_s:,.0f}"
    for took_ms in (row.p50_ms, row.p95_ms, row.p99_ms):
        yield f"{took_ms:.1f}"
    yield f"{row.statements:.1f}"
    yield f"{row.api_cpu_ms:.2f}"
    yield f"{row.postgres_cpu_ms:.2f}"
    yield f"{row.ceiling.name} {row.ceiling.per_s:,.0f}"
    yield f"1/{1 / row.ratio:.1f}" if row.ratio else "0"
    tick = {True: "[green]✓[/] ", False: "[red]✗[/] ", None: ""}[row.reached]
    yield tick + row.target


def remarks(measured: Sequence[Measured]) -> Iterator[str]:
    """What a reader must know about single rows."""
    for row in measured:
        if row.said:
            yield f"{row.name}: {row.said}"
        for doubt in row.doubts:
            yield f"[yellow]{row.name}: {doubt}, so that the row may be too low[/]"
        for wrong in row.wrong:
            yield f"[red]{row.name}: {wrong}[/]"


def as_json(measured: Sequence[Measured], comparisons: Sequence[Comparison], *, clean: bool) -> str:
    """Return the figures as JSON."""
    rows = [asdict(row) | {"ratio": row.ratio} for row in measured]
    executions = [row._asdict() | {"ratio": row.ratio} for row in comparisons]
    found = {"clean": clean, "rows": rows, "executions": executions}
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
