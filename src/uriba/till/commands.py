"""The commands of `uriba till`: a till in the terminal, and the conformance checks of a hub."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from uriba.till import console_output, synchronization, till_folder
from uriba.till.batches import EVENTS_MAX
from uriba.till.conformance import runner
from uriba.till.errors import HubUnavailable, TillError
from uriba.till.hub_client import HubClient
from uriba.till.input_parsing import parse_lines, parse_tenders
from uriba.till.protocol import EventType
from uriba.till.simulated_trade import simulate_trade
from uriba.till.synchronization import SendOptions


class ErrorReportingGroup(TyperGroup):
    """A group of commands that prints a `TillError` as a sentence and exits with status 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TillError as error:
            console_output.err.print(Text(str(error), style="red"), soft_wrap=True)
            raise typer.Exit(1) from error


till_cli = typer.Typer(
    cls=ErrorReportingGroup,
    no_args_is_help=True,
    help="A till in the terminal. It records sales in its own journal, with or without the hub, and sends them with "
    "sync. The protocol is described in docs/pos-sync.md.",
)

Folder = Annotated[Path, typer.Option("--folder", envvar="URIBA_TILL_FOLDER", help="The folder of the till's files.")]
Url = Annotated[str, typer.Option("--url", envvar="URIBA_TILL_URL", help="The hub's address.")]
Key = Annotated[
    str,
    typer.Option("--key", envvar="URIBA_TILL_KEY", help="The terminal's key, from: uriba key terminal --location CODE"),
]
Lines = Annotated[list[str], typer.Argument(metavar="SKU[:QUANTITY][@PRICE] ...", help="SKUs or barcodes.")]
Units = Annotated[list[str], typer.Argument(metavar="SKU:QUANTITY ...", help="SKUs or barcodes.")]
AllowUnknown = Annotated[
    bool,
    typer.Option(
        "--allow-unknown", "--anyway", help="Accept SKUs that this till does not have. The hub may park the event."
    ),
]
Tenders = Annotated[
    list[str] | None,
    typer.Option("--tender", metavar="METHOD:AMOUNT", help="One of several tenders; repeat the option for each."),
]
ByCard = Annotated[bool, typer.Option("--card/--cash", help="Paid by card, or in cash.")]

DEFAULT_FOLDER = Path(".uriba/till")
DEFAULT_URL = "http://127.0.0.1:8000"


@till_cli.command(name="open")
def open_till(key: Key, url: Url = DEFAULT_URL, folder: Folder = DEFAULT_FOLDER) -> None:
    """Set up a till in a folder, and pull its goods.

    A till that lost its journal is opened again: a new epoch starts.
    """
    journal = till_folder.create_till(folder, url=url, key=key)
    console_output.out.print(
        f"The till in {folder} is open: epoch {journal.epoch}, next sequence {journal.next_sequence}."
    )
    with till_folder.open_till(folder) as till, closing(HubClient(url, key)) as hub:
        pulled = synchronization.pull(till, hub)
    console_output.print_pulled(pulled)
    console_output.out.print("To see what can be sold, run uriba till goods.")


@till_cli.command()
def sell(
    lines: Lines,
    card: ByCard = False,
    tender: Tenders = None,
    loyalty_card: Annotated[
        str | None, typer.Option("--loyalty-card", "--card-number", help="The customer's loyalty card.")
    ] = None,
    cart: Annotated[str | None, typer.Option(help="The id of the claimed cart that is sold.")] = None,
    allow_unknown: AllowUnknown = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Record a sale in the journal, then print its receipt. The next sync sends it to the hub."""
    with till_folder.open_till(folder) as till:
        sold = parse_lines(lines, EventType.SALE, till.catalog, till.now(), allow_unknown=allow_unknown)
        has_prices = all(line.unit_price is not None for line in sold)
        method = "CARD" if card else "CASH"
        tenders = parse_tenders(tender or [], sold, method=method) if has_prices else None
        event = till.record(EventType.SALE, sold, tenders=tenders, loyalty_card=loyalty_card, cart_id=cart)
        console_output.print_receipt(event)


@till_cli.command(name="return")
def return_goods(
    lines: Lines,
    receipt: Annotated[str | None, typer.Option(help="The receipt number of the sale.")] = None,
    card: ByCard = False,
    tender: Tenders = None,
    allow_unknown: AllowUnknown = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Record a return: goods come back, and money is paid back."""
    with till_folder.open_till(folder) as till:
        returned = parse_lines(lines, EventType.RETURN, till.catalog, till.now(), allow_unknown=allow_unknown)
        tenders = parse_tenders(tender or [], returned, method="CARD" if card else "CASH")
        event = till.record(EventType.RETURN, returned, tenders=tenders, original_receipt=receipt)
        console_output.print_receipt(event)


@till_cli.command()
def receive(lines: Units, allow_unknown: AllowUnknown = False, folder: Folder = DEFAULT_FOLDER) -> None:
    """Record goods that arrive from a supplier."""
    _record(folder, EventType.RECEIPT, lines, allow_unknown=allow_unknown)


@till_cli.command()
def count(lines: Units, allow_unknown: AllowUnknown = False, folder: Folder = DEFAULT_FOLDER) -> None:
    """Record a count: all units that are there, damaged ones included. Earlier events no longer change on hand."""
    _record(folder, EventType.COUNT, lines, allow_unknown=allow_unknown)


@till_cli.command()
def damage(lines: Units, allow_unknown: AllowUnknown = False, folder: Folder = DEFAULT_FOLDER) -> None:
    """Record units that are there but can no longer be sold."""
    _record(folder, EventType.DAMAGE, lines, allow_unknown=allow_unknown)


@till_cli.command()
def adjust(lines: Units, allow_unknown: AllowUnknown = False, folder: Folder = DEFAULT_FOLDER) -> None:
    """Record a difference of on hand, such as TEA:+2 or TEA:-1."""
    _record(folder, EventType.ADJUSTMENT, lines, allow_unknown=allow_unknown)


@till_cli.command()
def sync(
    duplicate: Annotated[float, typer.Option(min=0, max=1, help="Share of the events to send twice.")] = 0,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Send in random order.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, max=EVENTS_MAX, help="Events per batch.")] = EVENTS_MAX,
    seed: Annotated[int | None, typer.Option(help="Makes --duplicate and --shuffle repeatable.")] = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Send pending events, ask about parked ones, then pull."""
    with till_folder.open_till(folder) as till, closing(till.hub_client()) as hub:
        report = synchronization.sync(till, hub, SendOptions(duplicate, shuffle, batch_size, seed))
        console_output.print_sync_report(report, till)
        console_output.print_pulled(synchronization.pull(till, hub))


@till_cli.command()
def pull(
    full: Annotated[bool, typer.Option("--full", "--afresh", help="Discard what was pulled before.")] = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Pull what has changed at the hub: goods, prices, stock, tax rates, claimed carts, revoked keys."""
    with till_folder.open_till(folder) as till, closing(till.hub_client()) as hub:
        if full:
            till.catalog.clear()
        console_output.print_pulled(synchronization.pull(till, hub))


@till_cli.command()
def goods(
    words: Annotated[str, typer.Argument(help="Part of a SKU, a barcode or a name.")] = "",
    rows: Annotated[int, typer.Option(min=1, help="How many rows at most.")] = console_output.ROWS_MAX,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """List the till's goods, with their prices here and the stock as of the last pull."""
    till = till_folder.read_till(folder)
    console_output.print_items(islice(till.catalog.search(words, till.now()), rows))


@till_cli.command()
def offline(folder: Folder = DEFAULT_FOLDER) -> None:
    """Switch the till offline: it continues to sell, but does not sync."""
    with till_folder.open_till(folder) as till:
        till.change_settings(offline=True)
    console_output.out.print("This till is offline. It can still sell; sync sends the sales later.")


@till_cli.command()
def online(folder: Folder = DEFAULT_FOLDER) -> None:
    """Switch the till online again."""
    with till_folder.open_till(folder) as till:
        till.change_settings(offline=False)
        console_output.out.print(
            f"This till is online. Pending: {len(till.journal.pending):,}. To send them, run uriba till sync."
        )


@till_cli.command()
def clock(
    offset: Annotated[float, typer.Option(help="Minutes ahead of this machine's clock; a negative number is behind.")],
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Set the till's clock wrong; 0 sets it right again."""
    with till_folder.open_till(folder) as till:
        till.change_settings(clock_offset_s=offset * 60)
        console_output.out.print(f"This till's clock is now {till.now():%Y-%m-%d %H:%M:%S} UTC.")


@till_cli.command()
def status(folder: Folder = DEFAULT_FOLDER) -> None:
    """Show what is pending, acknowledged, missing and parked, with reasons."""
    console_output.print_status(till_folder.read_till(folder))


@till_cli.command()
def run(
    sales: Annotated[int | None, typer.Option(min=1, help="Stop after this many customers; default: Ctrl-C.")] = None,
    every: Annotated[float, typer.Option(min=0, help="Seconds between two customers.")] = 1,
    sync_every: Annotated[int, typer.Option(min=0, help="Customers between two syncs; 0: never sync.")] = 10,
    seed: Annotated[int | None, typer.Option(help="Makes the customers repeatable.")] = None,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Sell at random from the pulled goods, with some returns and damage, and sync now and then."""
    with till_folder.open_till(folder) as till:
        actions = islice(simulate_trade(till, Random(seed)), sales)  # noqa: S311
        for customers, record_event in enumerate(actions, 1):
            console_output.print_receipt(record_event())
            if sync_every and customers % sync_every == 0 and not till.settings.offline:
                _try_to_sync(till)
            time.sleep(every)
        if sync_every and not till.settings.offline:
            _try_to_sync(till)


@till_cli.command()
def conform(
    key: Key,
    url: Url = DEFAULT_URL,
    staff_key: Annotated[
        str | None,
        typer.Option("--staff-key", envvar="URIBA_TILL_STAFF_KEY", help="To dismiss the events that the checks park."),
    ] = None,
    location: Annotated[str | None, typer.Option(help="The key's location; by default it is detected.")] = None,
    sku: Annotated[
        str | None, typer.Option(help="The SKU whose stock the checks move; by default one is chosen.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="The name of a check; repeat the option for more.")] = None,
) -> None:
    """Check that a hub conforms to the protocol. Exit status 1 if a check fails.

    The checks record events at the key's location: use one that is not in use. At the end they restore its stock
    level.
    """
    raise typer.Exit(runner.conform(url, key, staff_key=staff_key, location=location, sku=sku, only=only or []))


def _record(folder: Path, event_type: EventType, texts: list[str], *, allow_unknown: bool) -> None:
    with till_folder.open_till(folder) as till:
        lines = parse_lines(texts, event_type, till.catalog, till.now(), allow_unknown=allow_unknown)
        console_output.print_receipt(till.record(event_type, lines))


def _try_to_sync(till: till_folder.Till) -> None:
    """Sync and pull. If the hub cannot be reached, print why; the till continues to sell."""
    try:
        with closing(till.hub_client()) as hub:
            console_output.print_sync_report(synchronization.sync(till, hub), till)
            synchronization.pull(till, hub)
    except HubUnavailable as error:
        console_output.err.print(f"[yellow]Not synced:[/] {error} The till continues to sell.")
