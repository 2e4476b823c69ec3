"""The command line: one module for each group of commands.

Modules with slow imports (the API's schema, the worker, uvicorn, alembic, the demo) are imported by the commands that
use them, so that the other commands start fast.
"""

from __future__ import annotations

import typer
from rich.text import Text

from uriba.cli import check, demo, export, hub, keys, load, schema
from uriba.cli.options import stderr
from uriba.config import UnsafeSettings
from uriba.core.errors import DomainError
from uriba.demo.errors import HubFailed
from uriba.embedded import EmbeddedError
from uriba.listener import AddressUnavailable
from uriba.migrate.errors import SchemaError
from uriba.sources.complete_journey import SourceNotInstalled
from uriba.sources.replay.errors import ReplayError
from uriba.till.commands import till_cli

REPORTED_ERRORS = (
    DomainError,
    SourceNotInstalled,
    ReplayError,
    UnsafeSettings,
    HubFailed,
    EmbeddedError,
    AddressUnavailable,
    SchemaError,
)
"""Errors that the caller can correct: printed as one message without a traceback, exit status 1."""

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Uriba: one sales floor for app, web shop and stores."
)
cli.command()(hub.up)
cli.command()(hub.api)
cli.command()(hub.worker)
cli.command()(hub.migrate)
cli.command()(check.check)
cli.command()(schema.schema)
cli.command()(export.export)
cli.command()(demo.demo)
cli.add_typer(keys.cli, name="key")
cli.add_typer(load.cli, name="load")
cli.add_typer(till_cli, name="till")


def main() -> None:
    """Run the console script `uriba`."""
    try:
        cli(standalone_mode=True)
    except REPORTED_ERRORS as error:
        stderr.print(Text(str(error), style="red"), soft_wrap=True)
        raise SystemExit(1) from error
