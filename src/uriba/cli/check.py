"""`uriba check`: check every invariant."""

from __future__ import annotations

import typer
from rich.table import Table

from uriba import invariants
from uriba.cli.options import DataDir, run_on_hub, stdout


def check(data_dir: DataDir = None) -> None:
    """Check every invariant; exit status 1 where one does not hold."""
    findings = run_on_hub(data_dir, invariants.check)
    stdout.print(_table(findings))
    if any(finding.rows for finding in findings):
        raise typer.Exit(1)


def _table(findings: list[invariants.Finding]) -> Table:
    table = Table("", "invariant", "rows", "time")
    for finding in findings:
        mark = "[green]✓[/]" if not finding.rows else "[red]✗[/]"
        name, took = f"{finding.invariant.number:>2}  {finding.invariant.name}", f"{finding.seconds * 1000:.0f} ms"
        table.add_row(mark, name, str(finding.rows), took)
        for example in finding.examples:
            table.add_row("", f"[red]{example}[/]", "", "")
    return table
