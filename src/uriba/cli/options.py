"""The parts that commands share: options, consoles, and opening of settings, engines and database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from uriba import embedded
from uriba.config import Settings, UnsafeSettings
from uriba.db import Database
from uriba.migrate.errors import SchemaMismatch
from uriba.outbox.database import open_database

T = TypeVar("T")

stdout, stderr = Console(), Console(stderr=True)
"""Results go to standard output, messages and progress to standard error."""

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="The folder of the embedded engines' data.")]
Host = Annotated[str | None, typer.Option(help="The address to listen on.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on.")]
Processes = Annotated[int | None, typer.Option(min=1, max=64, help="The number of API processes.")]


def read_settings(data_dir: Path | None = None, **options: object) -> Settings:
    """Return the settings of the environment, overridden by the options that are given.

    Errors: `UnsafeSettings`.
    """
    overrides = {name: value for name, value in {"data_dir": data_dir, **options}.items() if value is not None}
    return Settings(**overrides).check()  # type: ignore[arg-type]


@contextmanager
def running_engines(settings: Settings, *, create: bool = False, quiet: bool = True) -> Iterator[Settings]:
    """Return the settings with the addresses of running engines: the configured servers, or the embedded engines,
    which run while the block lasts.

    `create`: create the embedded database where there is none. Errors: `UnsafeSettings` where only one of the two
    addresses is set; `EmbeddedError`; `SchemaMismatch` where there is no database.
    """
    if settings.database_url and settings.valkey_url:
        yield settings
        return
    if settings.database_url or settings.valkey_url:
        raise UnsafeSettings("Set both URIBA_DATABASE_URL and URIBA_VALKEY_URL, or neither.")
    if not create and not embedded.has_database(settings.data_dir):
        raise SchemaMismatch(f"There is no database in {settings.data_dir}. Run `uriba migrate` or `uriba up` first.")
    on_step: Callable[[str], None] = (lambda _: None) if quiet else (lambda step: stderr.print(f"  {step}"))
    with embedded.run_engines(settings.data_dir, on_step=on_step) as engines:
        addresses = {"database_url": engines.database_url, "valkey_url": engines.valkey_url}
        yield settings.model_copy(update=addresses)


async def with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Check that the database's schema is the one that this version needs, then run `work` on the database.

    Errors: `SchemaMismatch`.
    """
    from uriba.migrate.revisions import check_schema

    database = open_database(settings)
    try:
        async with database.reading() as session:
            await check_schema(session, sandbox=settings.has_sandbox)
        return await work(database)
    finally:
        await database.close()


def check_database(settings: Settings) -> None:
    """Check that the database's schema is the one that this version needs. Errors: `SchemaMismatch`."""

    async def nothing(_: Database) -> None:
        pass

    asyncio.run(with_database(settings, nothing))


def run_on_hub(data_dir: Path | None, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run `work` on the database of the hub that the settings name."""
    with running_engines(read_settings(data_dir)) as settings:
        return asyncio.run(with_database(settings, work))
