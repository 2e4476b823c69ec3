"""`uriba export`: write a table as it is at one moment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uriba.cli.options import DataDir, run_on_hub, stderr
from uriba.exports import files
from uriba.exports.requests import ExportFormat, ExportTable


def export(
    table: Annotated[ExportTable, typer.Argument(help="The table to export.")],
    format_: Annotated[ExportFormat, typer.Option("--format")] = ExportFormat.CSV,
    output: Annotated[Path | None, typer.Option(help="The file to write; default: standard output.")] = None,
    location: Annotated[str | None, typer.Option(help="Only the stock of this location.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only the orders or prices of this channel.")] = None,
    since: Annotated[str | None, typer.Option(help="Only orders placed at or after this time.")] = None,
    until: Annotated[str | None, typer.Option(help="Only orders placed before this time.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Write a table as it is at one moment; print the cursor from which the event feed continues."""
    filters = {"location": location, "channel": channel, "since": since, "until": until}
    cursor = run_on_hub(data_dir, lambda database: files.save(database, table, format_, filters, output))
    stderr.print(f"feed cursor: {cursor}")
