"""The command line.

What takes long to import is imported by the command that needs it: a till does not wait for the API's schema.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer
import uvicorn
from rich import box
from rich.console import Console
from rich.table import Table

from uriba import __version__, embedded, invariants, migrate, supervisor
from uriba.access import keys
from uriba.config import Settings, UnsafeSettings
from uriba.core.actor import Scope
from uriba.core.errors import DomainError
from uriba.db import Database, Session
from uriba.demo.errors import HubFailed
from uriba.embedded import EmbeddedError
from uriba.events import reference_page, schemas
from uriba.exports import files
from uriba.exports.requests import Form, Subject
from uriba.outbox.database import open_database
from uriba.outbox.hints import KEYS, Hints
from uriba.sources import loading, progress
from uriba.sources.complete_journey import CompleteJourney, SourceMissing
from uriba.sources.replay_errors import ReplayError
from uriba.supervisor import NotListening
from uriba.till.commands import till_cli

T = TypeVar("T")

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Uriba: one sales floor for app, web shop and stores."
)
key_cli = typer.Typer(no_args_is_help=True, help="Keys of terminals, apps and staff.")
load_cli = typer.Typer(no_args_is_help=True, help="Real goods.")
cli.add_typer(key_cli, name="key")
cli.add_typer(load_cli, name="load")
cli.add_typer(till_cli, name="till")

TOLD = (DomainError, SourceMissing, ReplayError, UnsafeSettings, HubFailed, EmbeddedError, NotListening)
"""What the caller can mend: said in a line, with status 1."""

console, out = Console(stderr=True), Console()

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the embedded engines keep their data.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]
Processes = Annotated[int | None, typer.Option(min=1, max=64, help="API processes.")]


def chosen(data_dir: Path | None = None, **given: object) -> Settings:
    """Settings from the environment; what the command line says wins."""
    said = {name: value for name, value in {"data_dir": data_dir, **given}.items() if value is not None}
    return Settings(**said).check()  # type: ignore[arg-type]


@contextmanager
def running(settings: Settings, *, quiet: bool = True) -> Iterator[Settings]:
    """The settings with the addresses of running engines: the given servers, or the embedded ones while this lasts."""
    if settings.database_url and settings.valkey_url:
        yield settings
        return
    if settings.database_url or settings.valkey_url:
        raise UnsafeSettings("Give both URIBA_DATABASE_URL and URIBA_VALKEY_URL, or neither.")
    say: Callable[[str], None] = (lambda _: None) if quiet else (lambda step: console.print(f"  {step}"))
    with embedded.engines(settings.data_dir, on_step=say) as engines:
        addresses = {"database_url": engines.database_url, "valkey_url": engines.valkey_url}
        yield settings.model_copy(update=addresses)


async def with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run on the newest schema."""
    assert settings.database_url
    await migrate.migrate(settings.database_url)
    database = open_database(settings)
    try:
        return await work(database)
    finally:
        await database.close()


def on_hub(data_dir: Path | None, work: Callable[[Database], Awaitable[T]]) -> T:
    with running(chosen(data_dir)) as settings:
        return asyncio.run(with_database(settings, work))


@cli.command()
def up(data_dir: DataDir = None, host: Host = None, port: Port = None, processes: Processes = None) -> None:
    """Run the hub: API, worker and, where no servers are given, the embedded engines. SIGTERM drains."""
    settings = chosen(data_dir, host=host, port=port, processes=processes)
    supervisor.listenable(settings.host, settings.port)
    with supervisor.terminating(), running(settings, quiet=False) as ready:
        assert ready.database_url
        began = time.perf_counter()
        asyncio.run(migrate.migrate(ready.database_url))
        console.print(f"  schema current in {time.perf_counter() - began:.1f} s")
        console.print(f"  http://{ready.host}:{ready.port}/graphql")
        supervisor.supervise(ready)


@cli.command()
def api(data_dir: DataDir = None, host: Host = None, port: Port = None, processes: Processes = None) -> None:
    """Run API processes only."""
    settings = chosen(data_dir, host=host, port=port, processes=processes)
    supervisor.listenable(settings.host, settings.port)
    with supervisor.terminating(), running(settings) as ready:
        os.environ.update(supervisor.environment(ready))
        uvicorn.run(
            "uriba.app:create",
            factory=True,
            host=ready.host,
            port=ready.port,
            workers=ready.processes,
            http="httptools",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(ready.trusted_proxies),
            forwarded_allow_ips=ready.trusted_proxies or None,
            timeout_graceful_shutdown=15,
        )


@cli.command(name="worker")
def run_worker(data_dir: DataDir = None) -> None:
    """Run the relay and the sweeps only."""
    from uriba import worker

    with supervisor.terminating(), running(chosen(data_dir)) as ready:
        asyncio.run(worker.run(ready))


@cli.command(name="migrate")
def run_migrate(data_dir: DataDir = None) -> None:
    """Bring the schema to the newest version."""
    with running(chosen(data_dir)) as ready:
        assert ready.database_url
        asyncio.run(migrate.migrate(ready.database_url))


@cli.command()
def check(data_dir: DataDir = None) -> None:
    """Look for rows that break an invariant; exit status 1 where one does."""

    async def work(database: Database) -> list[invariants.Finding]:
        return await invariants.check(database)

    findings = on_hub(data_dir, work)
    table = Table("", "invariant", "rows", "time")
    for found in findings:
        mark = "[green]✓[/]" if not found.rows else "[red]✗[/]"
        name, took = f"{found.invariant.number:>2}  {found.invariant.name}", f"{found.seconds * 1000:.0f} ms"
        table.add_row(mark, name, str(found.rows), took)
        for example in found.examples:
            table.add_row("", f"[red]{example}[/]", "", "")
    out.print(table)
    if any(found.rows for found in findings):
        raise typer.Exit(1)


@cli.command()
def schema(folder: Annotated[Path, typer.Option(help="Where to write it.")] = Path("schema")) -> None:
    """Write what others rely on: the API's schema, what webhooks hold, and the page on events in docs/ beside it."""
    from uriba.graphql.schema import sdl

    written = {
        folder / "schema.graphql": sdl(),
        folder / "webhooks.json": schemas.written(schemas.webhooks()),
        folder / "asyncapi.json": schemas.written(schemas.asyncapi(__version__)),
        folder.parent / "docs" / "events-reference.md": reference_page.page(),
    }
    for path, text in written.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        console.print(f"wrote {path}")


@cli.command(name="export")
def run_export(
    subject: Annotated[Subject, typer.Argument(help="Which table.")],
    form: Annotated[Form, typer.Option("--format")] = Form.CSV,
    output: Annotated[Path | None, typer.Option(help="A file; else standard output.")] = None,
    location: Annotated[str | None, typer.Option(help="Stock of one location.")] = None,
    channel: Annotated[str | None, typer.Option(help="Orders of one channel, or its prices.")] = None,
    since: Annotated[str | None, typer.Option(help="Orders placed from then on.")] = None,
    until: Annotated[str | None, typer.Option(help="Orders placed before then.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Write a table as it is at one moment, and say where the event feed goes on."""
    given = {"location": location, "channel": channel, "since": since, "until": until}
    cursor = on_hub(data_dir, lambda database: files.save(database, subject, form, given, output))
    console.print(f"the feed goes on after {cursor}")


def _issue(data_dir: Path | None, make: Callable[[Session], Awaitable[keys.Issued]]) -> None:
    async def work(database: Database) -> keys.Issued:
        async with database.transaction() as session:
            return await make(session)

    issued = on_hub(data_dir, work)
    console.print(f"key {issued.id}; it is shown this once:")
    # The last line, and nothing else, on standard output.
    typer.echo(issued.key)


@key_cli.command()
def terminal(location: Annotated[str, typer.Option(help="The location's code.")], data_dir: DataDir = None) -> None:
    """A new terminal at a location."""
    _issue(data_dir, lambda session: keys.for_terminal(session, location=location))


@key_cli.command(name="app")
def app_key(
    channel: Annotated[str, typer.Option(help="The channel's code.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What else it may do; again for more.")] = None,
    data_dir: DataDir = None,
) -> None:
    """A key for a channel's app."""
    _issue(data_dir, lambda session: keys.for_app(session, channel=channel, scopes=frozenset(scope or ())))


@key_cli.command()
def staff(name: Annotated[str, typer.Option(help="Whose it is.")], data_dir: DataDir = None) -> None:
    """A key for a person of the staff."""
    _issue(data_dir, lambda session: keys.for_staff(session, name=name))


@key_cli.command(name="list")
def list_keys(data_dir: DataDir = None) -> None:
    """All keys but the customers' tokens."""

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

    out.print(on_hub(data_dir, work))


@key_cli.command()
def revoke(id: Annotated[str, typer.Argument(help="The key's id.")], data_dir: DataDir = None) -> None:
    """End a key at once."""
    with running(chosen(data_dir)) as settings:

        async def work(database: Database) -> None:
            async with database.transaction() as session:
                await keys.revoke(session, key_id=id)
            assert settings.valkey_url
            hints = Hints(settings.valkey_url)
            await hints.say_now(KEYS)
            await hints.close()

        asyncio.run(with_database(settings, work))
    console.print(f"revoked {id}")


@load_cli.command(name="complete-journey")
def load_complete_journey(
    stores: Annotated[int | None, typer.Option(min=1, help="The busiest stores only.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="What was sold in the first days only.")] = None,
    products: Annotated[int | None, typer.Option(min=1, help="The best selling articles only.")] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Then sell it all again, as its tills would tell us.")
    ] = False,
    chaos: Annotated[
        bool, typer.Option("--chaos", help="Replay by tills at their worst: late, twice, shuffled.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another number, another chaos.")] = 1,
    data_dir: DataDir = None,
) -> None:
    """A real year of a US grocer: stores, articles, prices, households and opening stock. Twice adds nothing."""
    if replay or chaos:
        limits = {"stores": stores, "days": days, "products": products}
        raise typer.Exit(_replay(chosen(data_dir), limits, chaos=seed if chaos else None))
    year = CompleteJourney(stores=stores, days=days, products=products)

    async def work(database: Database) -> loading.Loaded:
        with progress.shown(console) as watch:
            return await loading.load(database, year, watch=watch)

    loaded = on_hub(data_dir, work)
    console.print(f"{year.name}: {loaded.levels:,} stock levels, {loaded.received:,} of them received now")


def _replay(settings: Settings, limits: Mapping[str, int | None], *, chaos: int | None) -> int:
    """Sell a slice of the year again; the exit status."""
    from uriba.sources import replay, replay_result
    from uriba.sources.replay_trading import Trading

    if settings.production:
        raise UnsafeSettings("A replay makes tills and sells a year's goods: it is not for production.")

    async def work(database: Database) -> replay.Replayed:
        hub = replay.Hub(database, supervisor.environment(ready), ready.data_dir)
        with progress.shown(console) as watch:
            return await replay.replay(hub, lambda: Trading(**limits), chaos=chaos, watch=watch)

    try:
        with supervisor.terminating(), running(settings) as ready:
            ended = asyncio.run(with_database(ready, work))
    except supervisor.Terminated:
        return 1  # Nothing was compared.
    out.print(replay_result.shown(Trading(**limits).name, ended))
    return 0 if ended.equal else 1


@cli.command()
def demo(
    leave: Annotated[bool, typer.Option("--exit", help="Stop after the journey; status 0 if every step held.")] = False,
    stores: Annotated[int, typer.Option(min=2, help="How many stores of the year to load.")] = 20,
    products: Annotated[int, typer.Option(min=10, help="How many of their articles.")] = 2_500,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
) -> None:
    """Watch a hub start, load real goods, and carry a cart from the phone to the till; then play with it."""
    from uriba.demo import tour

    settings = chosen(data_dir, host=host, port=port)
    raise typer.Exit(tour.show(settings, tour.Wishes(stores, products, leave)))


def main() -> None:
    """The console script."""
    try:
        cli(standalone_mode=True)
    except TOLD as error:
        console.print(f"[red]{error}[/]")
        raise SystemExit(1) from error
