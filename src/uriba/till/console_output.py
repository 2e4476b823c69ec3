"""Console output of the till: receipts, reports of syncs, the till's status and its items as tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from uriba.till.journal import Journal
from uriba.till.local_catalog import CatalogItem
from uriba.till.protocol import EventStatus, EventType, SequenceRange, TillEvent
from uriba.till.synchronization import SyncReport
from uriba.till.till_folder import Till

ROWS_MAX = 20

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_receipt(event: TillEvent) -> None:
    """Print the receipt of an event that is already in the journal, as one line on standard output."""
    number = f"receipt {event.receipt}" if event.receipt else f"event {event.sequence}"
    units = ", ".join(
        f"{line.quantity:+d} {line.sku}" if event.type == EventType.ADJUSTMENT else f"{line.quantity} {line.sku}"
        for line in event.lines
    )
    total = f"  {event.total}" if event.receipt else ""
    paid = " ".join(f"{tender.method} {tender.amount}" for tender in event.tenders or ())
    out.print(Text(f"{event.type}  {number}  {units}{total}  {paid}".rstrip()), soft_wrap=True)


def print_sync_report(report: SyncReport, till: Till) -> None:
    """Print the results of one sync."""
    if not report.batches and not report.unsendable:
        out.print("There was nothing to send.")
        return
    counts = ", ".join(
        f"{report.statuses[status]:,} {status.lower()}" for status in EventStatus if status in report.statuses
    )
    batches = f"{report.batches:,} {'batch' if report.batches == 1 else 'batches'}"
    out.print(f"{batches} sent: {counts or 'no event accepted'}")
    for message, times in report.warnings.items():
        out.print(Text(f"  {message}" + (f" ({times:,} times)" if times > 1 else ""), style="yellow"))
    if report.shortages:
        out.print(f"  [yellow]{report.shortages:,} promised units are no longer there.[/] The hub sources them again.")
    if report.unsendable:
        out.print(f"  [red]{report.unsendable:,} events cannot be sent.[/] For the reasons, run uriba till status.")
    if parked := till.journal.parked:
        out.print(
            f"  [yellow]{len(parked):,} parked:[/] staff have to settle them. For the reasons, run uriba till status."
        )


def print_pulled(entries: int) -> None:
    """Print how many entries a pull received."""
    out.print(f"{entries:,} {'entry' if entries == 1 else 'entries'} pulled.")


def print_status(till: Till) -> None:
    """Print the till's whole state."""
    journal, settings = till.journal, till.settings
    connection = "[yellow]offline[/]" if settings.offline else "[green]online[/]"
    offset = f", set {settings.clock_offset_s / 60:+.1f} min" if settings.clock_offset_s else ""
    pulled_at = till.catalog.state.pulled_at
    carts = (f"{cart['id']} ({cart['quantity']} units)" for cart in till.catalog.carts())
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in (
        ("hub", f"{settings.url}  {connection}"),
        ("clock", f"{till.now():%Y-%m-%d %H:%M:%S} UTC{offset}"),
        ("epoch", f"{journal.epoch}, next sequence {journal.next_sequence}"),
        ("pending", f"{len(journal.pending):,}"),
        ("acknowledged", _acknowledged(journal)),
        ("missing", _missing(journal)),
        ("parked", f"{len(journal.parked):,}"),
        ("cannot be sent", f"{len(journal.unsendable):,}"),
        ("carts", ", ".join(carts) or "none"),
        ("pulled", f"{pulled_at:%Y-%m-%d %H:%M:%S} UTC" if pulled_at else "never"),
    ):
        table.add_row(f"[dim]{name}[/]", value)
    out.print(table)
    _print_parked(journal)
    _print_unsendable(journal)
    if journal.lost_events:
        keys = ", ".join(f"{epoch}/{sequence}" for epoch, sequence in journal.lost_events[:ROWS_MAX])
        out.print(
            f"[red]The hub misses events that this till no longer has:[/] {keys}. Report this to the hub's operators."
        )
    if journal.torn_line:
        out.print("[yellow]The journal's last line is incomplete.[/] No receipt was printed for it.")


def print_items(items: Iterable[CatalogItem]) -> None:
    """Print items with their prices here and the stock as of the last pull."""
    table = Table("SKU", "barcode", "name", "price", "on hand", "available", box=None, pad_edge=False)
    for item in items:
        price = f"{item.price} {item.currency}" if item.price else "[dim]not sold here[/]"
        name = f"{item.name} (discontinued)" if item.discontinued else item.name
        table.add_row(item.sku, item.barcode or "", Text(name), price, str(item.on_hand), str(item.available))
    out.print(table if table.row_count else "No items found. If the till has not pulled yet, run uriba till pull.")


def _acknowledged(journal: Journal) -> str:
    return ", ".join(
        f"up to {progress.acknowledged:,}" + (f" of epoch {epoch}" if len(journal.progress) > 1 else "")
        for epoch, progress in journal.progress.items()
    )


def _missing(journal: Journal) -> str:
    gaps: list[SequenceRange] = [gap for progress in journal.progress.values() for gap in progress.missing]
    more = f" and {len(gaps) - ROWS_MAX:,} more gaps" if len(gaps) > ROWS_MAX else ""
    return ", ".join(str(gap) for gap in gaps[:ROWS_MAX]) + more or "none"


def _print_parked(journal: Journal) -> None:
    if not journal.parked:
        return
    table = Table("parked", "receipt", "event", "reason", box=None, pad_edge=False, title_justify="left")
    for entry, verdict in journal.parked[:ROWS_MAX]:
        event = entry.event
        reasons = "; ".join(str(error) for error in verdict.errors)
        units = ", ".join(f"{line.quantity} {line.sku}" for line in event.lines)
        table.add_row(str(event.sequence), event.receipt or "", Text(f"{event.type} {units}"), Text(reasons))
    out.print(
        "\nThe hub keeps these events but has not applied them. Staff repair or dismiss them; each sync asks again."
    )
    out.print(table)


def _print_unsendable(journal: Journal) -> None:
    if not journal.unsendable:
        return
    table = Table("cannot be sent", "receipt", "reason", box=None, pad_edge=False)
    for key, unsendable in list(journal.unsendable.items())[:ROWS_MAX]:
        event = journal.entries[key].event
        table.add_row(str(event.sequence), event.receipt or "", Text(unsendable.reason))
    out.print(
        "\nThe hub cannot parse these events: a fault of this till. They stay in the journal. "
        "Enter them again correctly as new events."
    )
    out.print(table)
