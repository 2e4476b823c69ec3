"""What a person sees of a till: receipts, reports, and its state as tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from uriba.till.events import Event, Kind, Range, Status
from uriba.till.folder import Till
from uriba.till.journal import Journal
from uriba.till.shelf import Good
from uriba.till.syncing import Report

ROWS_MAX = 20

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def receipt(event: Event) -> None:
    """The receipt, on standard output: it is on the journal's disk by now."""
    number = f"receipt {event.receipt}" if event.receipt else f"event {event.sequence}"
    units = ", ".join(
        f"{line.quantity:+d} {line.sku}" if event.type == Kind.ADJUSTMENT else f"{line.quantity} {line.sku}"
        for line in event.lines
    )
    worth = f"  {event.total}" if event.receipt else ""
    paid = " ".join(f"{tender.method} {tender.amount}" for tender in event.tenders or ())
    out.print(Text(f"{event.type}  {number}  {units}{worth}  {paid}".rstrip()), soft_wrap=True)


def report(synced: Report, till: Till) -> None:
    """What a sync came to."""
    if not synced.batches and not synced.unsendable:
        out.print("Nothing was pending.")
        return
    counts = ", ".join(
        f"{synced.statuses[status]:,} {status.lower()}" for status in Status if status in synced.statuses
    )
    out.print(f"{synced.batches:,} {'batch' if synced.batches == 1 else 'batches'} sent: {counts or 'nothing taken'}")
    for message, times in synced.warnings.items():
        out.print(Text(f"  {message}" + (f" ({times:,} times)" if times > 1 else ""), style="yellow"))
    if synced.shortages:
        out.print(f"  [yellow]{synced.shortages:,} promised units are not there any more: the hub looks elsewhere.[/]")
    if synced.unsendable:
        out.print(f"  [red]{synced.unsendable:,} events cannot be sent[/]: see uriba till status")
    if parked := till.journal.parked:
        out.print(f"  [yellow]{len(parked):,} parked[/], for staff to look at: see uriba till status")


def status(till: Till) -> None:
    """The whole state, from what is on disk."""
    journal, setting = till.journal, till.setting
    line = "[yellow]offline[/]" if setting.offline else "[green]online[/]"
    wrong = f", {setting.clock_s / 60:+.1f} min set wrong" if setting.clock_s else ""
    table = Table.grid(padding=(0, 2, 0, 0))
    kept = till.shelf.kept
    for name, value in (
        ("hub", f"{setting.url}  {line}"),
        ("clock", f"{till.now():%Y-%m-%d %H:%M:%S} UTC{wrong}"),
        ("epoch", f"{journal.epoch}, next sequence {journal.next_sequence}"),
        ("pending", f"{len(journal.pending):,}"),
        ("acknowledged", _acknowledged(journal)),
        ("missing", _missing(journal)),
        ("parked", f"{len(journal.parked):,}"),
        ("cannot be sent", f"{len(journal.unsendable):,}"),
        ("carts", ", ".join(f"{cart['id']} ({cart['quantity']} units)" for cart in till.shelf.carts()) or "none"),
        ("pulled", f"{kept.at:%Y-%m-%d %H:%M:%S} UTC" if kept.at else "never"),
    ):
        table.add_row(f"[dim]{name}[/]", value)
    out.print(table)
    _show_parked(journal)
    _show_unsendable(journal)
    if journal.lost:
        places = ", ".join(f"{epoch}/{sequence}" for epoch, sequence in journal.lost[:ROWS_MAX])
        out.print(f"[red]The hub misses events that this till no longer has[/]: {places}. Tell the hub's operators.")
    if journal.torn:
        out.print("[yellow]The journal's last line is torn[/]: what it was about to say never had a receipt.")


def goods(found: Iterable[Good]) -> None:
    """Some goods, as they could be sold now."""
    table = Table("SKU", "barcode", "name", "price", "on hand", "available", box=None, pad_edge=False)
    for good in found:
        price = f"{good.price} {good.currency}" if good.price else "[dim]not sold here[/]"
        name = f"{good.name} (discontinued)" if good.discontinued else good.name
        table.add_row(good.sku, good.barcode or "", Text(name), price, str(good.on_hand), str(good.available))
    out.print(table if table.row_count else "No such goods. Pull first: uriba till pull")


def _acknowledged(journal: Journal) -> str:
    return ", ".join(
        f"up to {heard.acknowledged:,}" + (f" of epoch {epoch}" if len(journal.heard) > 1 else "")
        for epoch, heard in journal.heard.items()
    )


def _missing(journal: Journal) -> str:
    gaps: list[Range] = [gap for heard in journal.heard.values() for gap in heard.missing]
    more = f" and {len(gaps) - ROWS_MAX:,} gaps more" if len(gaps) > ROWS_MAX else ""
    return ", ".join(str(gap) for gap in gaps[:ROWS_MAX]) + more or "none"


def _show_parked(journal: Journal) -> None:
    if not journal.parked:
        return
    table = Table("parked", "receipt", "what", "why", box=None, pad_edge=False, title_justify="left")
    for entry, verdict in journal.parked[:ROWS_MAX]:
        why = "; ".join(str(problem) for problem in verdict.errors)
        units = ", ".join(f"{line.quantity} {line.sku}" for line in entry.event.lines)
        event = entry.event
        table.add_row(str(event.sequence), event.receipt or "", Text(f"{event.type} {units}"), Text(why))
    out.print("\nThe hub keeps these and has not applied them; staff repair or dismiss them, the next sync asks again.")
    out.print(table)


def _show_unsendable(journal: Journal) -> None:
    if not journal.unsendable:
        return
    table = Table("cannot be sent", "receipt", "why", box=None, pad_edge=False)
    for place, aside in list(journal.unsendable.items())[:ROWS_MAX]:
        table.add_row(str(aside.sequence), journal.entries[place].event.receipt or "", Text(aside.reason))
    out.print("\nNo hub can read these: a fault of this till. They stay in the journal; ring them up again correctly.")
    out.print(table)
