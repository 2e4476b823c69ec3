"""The report: the table of measurements, the comparison of execution, and their notes."""

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
from benchmarks.measurements import Measurement

WIDTH = 180

COLUMNS = ("operation", "/s", "p50 ms", "p95 ms", "p99 ms", "SQL", "API CPU ms", "PG CPU ms", "ceiling /s", "ratio")

NOTES = (
    "An iteration is one operation or one whole journey: create a cart, add a second line, choose a store for pickup, "
    "pay; at a till, scan two items and pay in cash. 16 users over HTTP/1.1 with keep-alive, queries with variables.",
    "Races: 32 buyers, one unit in each cart, until the variant is sold out; every later try must be refused.",
    "SQL: statements per iteration by pg_stat_statements, with BEGIN and COMMIT; each is at most one round trip. The "
    "worker's statements are left out: those seen before the first request, and a BEGIN and a COMMIT for each turn of "
    "the relay.",
    "CPU per iteration: of the API's processes, and of PostgreSQL's, which includes the work for the relay.",
    "Ceilings: a bare litestar route with the same server settings that returns the same bytes (for journeys, of "
    "each of their requests); pgbench -M prepared with the ledger's stock statement, one unit of one level, as many "
    "clients.",
    "Rates of a shared machine differ between runs. Compare ratios within one run.",
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


def print_report(
    measurements: Sequence[Measurement],
    comparisons: Sequence[Comparison],
    check_output: str,
    *,
    load: tuple[float, float],
) -> None:
    """Print the tables with their notes, and the output of `uriba check`."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    if measurements:
        console.print(measurement_table(measurements, plain=not console.is_terminal))
    if comparisons:
        console.print(execution_table(comparisons, plain=not console.is_terminal))
    cores = os.cpu_count() or 1
    console.print(
        f"{cores} cores, load average {load[0]:.1f} before and {load[1]:.1f} after, "
        f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}."
    )
    for note in (*(NOTES if measurements else ()), *((EXECUTION_NOTE,) if comparisons else ())):
        console.print(f"- {note}", highlight=False)
    for remark in remarks(measurements):
        console.print(remark)
    console.print(check_output, highlight=False, markup=False)


def measurement_table(measurements: Sequence[Measurement], *, plain: bool) -> Table:
    """Return the measurements beside their targets; plain: as Markdown."""
    table = Table(box=box.MARKDOWN if plain else box.SIMPLE_HEAD)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "operation" else "right", no_wrap=True)
    table.add_column("target")
    for row in measurements:
        table.add_row(*_cells(row))
    return table


def execution_table(comparisons: Sequence[Comparison], *, plain: bool) -> Table:
    """Return the comparison of the ways to execute a document, with sums by source; plain: as Markdown."""
    table = Table(box=box.MARKDOWN if plain else box.SIMPLE_HEAD)
    for name in EXECUTION_COLUMNS:
        table.add_column(name, justify="left" if name in EXECUTION_COLUMNS[:2] else "right", no_wrap=True)
    table.add_column("target")
    sources = list(dict.fromkeys(row.source for row in comparisons))
    for source in sources:
        total = execution.total(comparisons, source)
        for row in (*(row for row in comparisons if row.source == source), total):
            figures = (f"{ms:.3f}" for ms in (row.interpreter, row.bound, row.plan))
            target = ""
            if row is total and source == sources[0]:
                tick = "[green]✓[/]" if row.ratio >= EXECUTION_RATIO_MIN else "[red]✗[/]"
                target = f"{tick} ≥ {EXECUTION_RATIO_MIN:.1f}"
            table.add_row(row.title, source, *figures, f"{row.ratio:.2f}", f"{row.bound_ratio:.2f}", target)
    return table


def _cells(row: Measurement) -> Iterator[str]:
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


def remarks(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Yield the remarks, warnings and errors of single rows."""
    for row in measurements:
        if row.remark:
            yield f"{row.name}: {row.remark}"
        for warning in row.warnings:
            yield f"[yellow]{row.name}: {warning}, so the rate may be too low[/]"
        for error in row.errors:
            yield f"[red]{row.name}: {error}[/]"


def to_json(measurements: Sequence[Measurement], comparisons: Sequence[Comparison], *, clean: bool) -> str:
    """Return the figures as JSON."""
    rows = [asdict(row) | {"ratio": row.ratio} for row in measurements]
    executions = [row._asdict() | {"ratio": row.ratio} for row in comparisons]
    found = {"clean": clean, "rows": rows, "executions": executions}
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
