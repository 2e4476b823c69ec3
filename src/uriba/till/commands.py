"""`uriba till`: a till in the terminal, and the check that a hub keeps the protocol."""

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

from uriba.till import folder as folders
from uriba.till import ringing, showing, syncing, trading
from uriba.till.batches import EVENTS_MAX
from uriba.till.conformance import running
from uriba.till.errors import TillError, Unreachable
from uriba.till.events import Event, Kind
from uriba.till.hub import Hub
from uriba.till.syncing import Disturbance


class Sentences(TyperGroup):
    """What goes wrong is said in a sentence, with exit status 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TillError as error:
            showing.err.print(Text(str(error), style="red"), soft_wrap=True)
            raise typer.Exit(1) from error


till_cli = typer.Typer(
    cls=Sentences,
    no_args_is_help=True,
    help="A till in the terminal: it sells on paper of its own, and tells the hub when it can. docs/pos-sync.md",
)

Folder = Annotated[Path, typer.Option("--folder", envvar="URIBA_TILL_FOLDER", help="Where the till keeps its files.")]
Url = Annotated[str, typer.Option("--url", envvar="URIBA_TILL_URL", help="The hub's address.")]
Key = Annotated[
    str,
    typer.Option("--key", envvar="URIBA_TILL_KEY", help="A terminal's key: uriba key terminal --location CODE"),
]
Lines = Annotated[list[str], typer.Argument(metavar="SKU[:QUANTITY][@PRICE] ...", help="SKUs or barcodes.")]
Units = Annotated[list[str], typer.Argument(metavar="SKU:QUANTITY ...", help="SKUs or barcodes.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Also what this till does not know; the hub may park it.")]
Tenders = Annotated[
    list[str] | None, typer.Option("--tender", metavar="METHOD:AMOUNT", help="For several tenders; again for more.")
]
ByCard = Annotated[bool, typer.Option("--card/--cash", help="Paid by card, or in cash.")]

HERE = Path(".uriba/till")
HUB = "http://127.0.0.1:8000"


@till_cli.command(name="open")
def open_till(key: Key, url: Url = HUB, folder: Folder = HERE) -> None:
    """Make a folder a till. A till that lost its journal is opened again: a new epoch begins."""
    journal = folders.create(folder, url=url, key=key)
    showing.out.print(f"The till in {folder} is open: epoch {journal.epoch}, next sequence {journal.next_sequence}.")
    with folders.opened(folder) as till, closing(Hub(url, key)) as hub:
        taken = syncing.pull(till, hub)
    showing.out.print(f"{taken:,} entries pulled. What can be sold: uriba till goods")


@till_cli.command()
def sell(
    lines: Lines,
    card: ByCard = False,
    tender: Tenders = None,
    loyalty_card: Annotated[
        str | None, typer.Option("--loyalty-card", "--card-number", help="The customer's loyalty card.")
    ] = None,
    cart: Annotated[str | None, typer.Option(help="The id of the claimed cart that this sells.")] = None,
    anyway: Anyway = False,
    folder: Folder = HERE,
) -> None:
    """A sale: on disk first, then its receipt. The hub hears of it at the next sync."""
    with folders.opened(folder) as till:
        sold = ringing.lines_of(lines, Kind.SALE, till.shelf, till.now(), anyway=anyway)
        paid = (
            None
            if any(line.unit_price is None for line in sold)
            else ringing.tenders_of(tender or [], sold, method="CARD" if card else "CASH")
        )
        showing.receipt(till.record(Kind.SALE, sold, tenders=paid, loyalty_card=loyalty_card, cart_id=cart))


@till_cli.command(name="return")
def take_back(
    lines: Lines,
    receipt: Annotated[str | None, typer.Option(help="The number on the receipt of the sale.")] = None,
    card: ByCard = False,
    tender: Tenders = None,
    anyway: Anyway = False,
    folder: Folder = HERE,
) -> None:
    """Goods come back, and money goes out."""
    with folders.opened(folder) as till:
        back = ringing.lines_of(lines, Kind.RETURN, till.shelf, till.now(), anyway=anyway)
        paid = ringing.tenders_of(tender or [], back, method="CARD" if card else "CASH")
        showing.receipt(till.record(Kind.RETURN, back, tenders=paid, original_receipt=receipt))


@till_cli.command()
def receive(lines: Units, anyway: Anyway = False, folder: Folder = HERE) -> None:
    """Goods arrive from a supplier."""
    _record(folder, Kind.RECEIPT, lines, anyway=anyway)


@till_cli.command()
def count(lines: Units, anyway: Anyway = False, folder: Folder = HERE) -> None:
    """A stocktake: all units that are there, damaged ones included. What happened before it no longer matters."""
    _record(folder, Kind.COUNT, lines, anyway=anyway)


@till_cli.command()
def damage(lines: Units, anyway: Anyway = False, folder: Folder = HERE) -> None:
    """Units are there, but cannot be sold any more."""
    _record(folder, Kind.DAMAGE, lines, anyway=anyway)


@till_cli.command()
def adjust(lines: Units, anyway: Anyway = False, folder: Folder = HERE) -> None:
    """More or fewer units than thought, as in TEA:+2 or TEA:-1."""
    _record(folder, Kind.ADJUSTMENT, lines, anyway=anyway)


@till_cli.command()
def sync(
    duplicate: Annotated[float, typer.Option(min=0, max=1, help="Share of events to send twice.")] = 0,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Send in any order.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, max=EVENTS_MAX, help="Events in a batch.")] = EVENTS_MAX,
    seed: Annotated[int | None, typer.Option(help="For the same disorder again.")] = None,
    folder: Folder = HERE,
) -> None:
    """Send what is pending, ask about what is parked, then pull."""
    with folders.opened(folder) as till, closing(till.hub()) as hub:
        showing.report(syncing.sync(till, hub, Disturbance(duplicate, shuffle, batch_size, seed)), till)
        showing.out.print(f"{syncing.pull(till, hub):,} entries pulled.")


@till_cli.command()
def pull(
    afresh: Annotated[bool, typer.Option("--afresh", help="Forget what was pulled before.")] = False,
    folder: Folder = HERE,
) -> None:
    """Take in what has changed at the hub: goods, prices, stock, taxes, claimed carts, revoked keys."""
    with folders.opened(folder) as till, closing(till.hub()) as hub:
        if afresh:
            till.shelf.forget()
        showing.out.print(f"{syncing.pull(till, hub):,} entries pulled.")


@till_cli.command()
def goods(
    words: Annotated[str, typer.Argument(help="In SKU, barcode or name.")] = "",
    rows: Annotated[int, typer.Option(min=1, help="How many at most.")] = showing.ROWS_MAX,
    folder: Folder = HERE,
) -> None:
    """What this till knows, with its price here and the stock as last pulled."""
    till = folders.seen(folder)
    showing.goods(islice(till.shelf.search(words, till.now()), rows))


@till_cli.command()
def offline(folder: Folder = HERE) -> None:
    """Pull the plug: the till sells on, and syncs nothing."""
    with folders.opened(folder) as till:
        till.change(offline=True)
    showing.out.print("This till is offline. It sells on.")


@till_cli.command()
def online(folder: Folder = HERE) -> None:
    """Put the plug back."""
    with folders.opened(folder) as till:
        till.change(offline=False)
        showing.out.print(f"This till is online. Pending: {len(till.journal.pending):,}. Send them: uriba till sync")


@till_cli.command()
def clock(
    offset: Annotated[float, typer.Option(help="Minutes ahead of this machine's clock; below 0 is behind.")],
    folder: Folder = HERE,
) -> None:
    """Set the till's clock wrong, or right again with 0."""
    with folders.opened(folder) as till:
        till.change(clock_s=offset * 60)
        showing.out.print(f"This till's clock says {till.now():%Y-%m-%d %H:%M:%S} UTC.")


@till_cli.command()
def status(folder: Folder = HERE) -> None:
    """What is pending, acknowledged, missing and parked, and why."""
    showing.status(folders.seen(folder))


@till_cli.command()
def run(
    sales: Annotated[int | None, typer.Option(min=1, help="End after so many; without: until Ctrl-C.")] = None,
    every: Annotated[float, typer.Option(min=0, help="Seconds between two customers.")] = 1,
    sync_every: Annotated[int, typer.Option(min=0, help="Customers between two syncs; 0: never.")] = 10,
    seed: Annotated[int | None, typer.Option(help="For the same customers again.")] = None,
    folder: Folder = HERE,
) -> None:
    """Sell at random from what was pulled, with some returns and damage; sync now and then."""
    with folders.opened(folder) as till:
        for served, happen in enumerate(islice(trading.trade(till, Random(seed)), sales), 1):  # noqa: S311
            showing.receipt(happen())
            if sync_every and served % sync_every == 0 and not till.setting.offline:
                _try_to_sync(till)
            time.sleep(every)
        if sync_every and not till.setting.offline:
            _try_to_sync(till)


@till_cli.command()
def conform(
    key: Key,
    url: Url = HUB,
    staff_key: Annotated[
        str | None, typer.Option("--staff-key", envvar="URIBA_TILL_STAFF_KEY", help="Dismisses what was parked.")
    ] = None,
    location: Annotated[str | None, typer.Option(help="The key's location; without, it is found out.")] = None,
    sku: Annotated[str | None, typer.Option(help="Whose stock to move; without, some variant's.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="The name of a check; again for more.")] = None,
) -> None:
    """Check that a hub keeps the protocol of tills. Exit status 1 where it does not.

    It books facts at the key's store: use a store that nobody trades in. Levels are put back at the end.
    """
    raise typer.Exit(running.conform(url, key, staff_key=staff_key, location=location, sku=sku, only=only or []))


def _record(folder: Path, kind: Kind, said: list[str], *, anyway: bool) -> Event:
    with folders.opened(folder) as till:
        lines = ringing.lines_of(said, kind, till.shelf, till.now(), anyway=anyway)
        event = till.record(kind, lines)
        showing.receipt(event)
        return event


def _try_to_sync(till: folders.Till) -> None:
    """A till sells on where the hub is not to be reached."""
    try:
        with closing(till.hub()) as hub:
            showing.report(syncing.sync(till, hub), till)
            syncing.pull(till, hub)
    except Unreachable as error:
        showing.err.print(f"[yellow]Not synced:[/] {error} The till sells on.")
