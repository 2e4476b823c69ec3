"""`uriba key`: issue, list and revoke access keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from uriba.access import keys
from uriba.cli.options import DataDir, read_settings, run_on_hub, running_engines, stderr, stdout, with_database
from uriba.core.actor import Scope
from uriba.db import Database, Session
from uriba.outbox.hints import KEYS, Hints

cli = typer.Typer(no_args_is_help=True, help="Keys of terminals, apps and staff.")


@cli.command()
def terminal(location: Annotated[str, typer.Option(help="The location's code.")], data_dir: DataDir = None) -> None:
    """Issue a key for a new terminal at a location."""
    _issue(data_dir, lambda session: keys.for_terminal(session, location=location))


@cli.command()
def app(
    channel: Annotated[str, typer.Option(help="The channel's code.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="A further permission; repeat it for several.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Issue a key for the app of a channel."""
    _issue(data_dir, lambda session: keys.for_app(session, channel=channel, scopes=frozenset(scope or ())))


@cli.command()
def staff(name: Annotated[str, typer.Option(help="The person's name.")], data_dir: DataDir = None) -> None:
    """Issue a key for a member of the staff."""
    _issue(data_dir, lambda session: keys.for_staff(session, name=name))


def _issue(data_dir: Path | None, make: Callable[[Session], Awaitable[keys.IssuedKey]]) -> None:
    async def work(database: Database) -> keys.IssuedKey:
        async with database.transaction() as session:
            return await make(session)

    issued = run_on_hub(data_dir, work)
    stderr.print(f"key {issued.id}; it is shown only once:")
    # Scripts read the last line; it is the only one on standard output.
    typer.echo(issued.key)


@cli.command(name="list")
def list_keys(data_dir: DataDir = None) -> None:
    """List all keys except the customers' tokens."""

    async def work(database: Database) -> Table:
        async with database.reading() as session:
            rows = await keys.all_keys(session)
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for head in ("id", "role", "name", "of", "scopes", "made", "revoked"):
            table.add_column(head, no_wrap=head in {"id", "role", "made", "revoked"})
        for row in rows:
            days = [f"{at:%Y-%m-%d}" if at else "" for at in (row["created_at"], row["revoked_at"])]
            place = row["location"] or row["channel"]
            table.add_row(row["id"], row["role"].lower(), row["name"], place, " ".join(row["scopes"]), *days)
        return table

    stdout.print(run_on_hub(data_dir, work))


@cli.command()
def revoke(id: Annotated[str, typer.Argument(help="The key's id.")], data_dir: DataDir = None) -> None:
    """Revoke a key immediately."""
    with running_engines(read_settings(data_dir)) as settings:

        async def work(database: Database) -> None:
            async with database.transaction() as session:
                await keys.revoke(session, key_id=id)
            assert settings.valkey_url
            hints = Hints(settings.valkey_url)
            await hints.publish_now(KEYS)
            await hints.close()

        asyncio.run(with_database(settings, work))
    stderr.print(f"revoked {id}")
