"""The run of all conformance checks: it prints each result as it comes, and restores the stock at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from enum import Enum

from rich.text import Text

from uriba.till import clock
from uriba.till.conformance import count_checks, pull_checks, sequence_checks, verdict_checks
from uriba.till.conformance.probe import (
    CLOCK_MARGIN,
    CheckFailed,
    CheckSkipped,
    Probe,
    expect,
    on_hand_by_location,
    statuses,
    stock_by_location,
)
from uriba.till.console_output import err, out
from uriba.till.errors import TillError
from uriba.till.hub_client import HubClient
from uriba.till.local_catalog import CatalogItem
from uriba.till.protocol import EventLine, EventType, Tender

Check = Callable[[Probe], str]
"""A check returns what it saw, as a short text. Its docstring states the rule. Errors: `CheckFailed`,
`CheckSkipped`, `TillError`."""

CHECKS: tuple[Check, ...] = (
    *sequence_checks.CHECKS,
    *verdict_checks.CHECKS,
    *count_checks.CHECKS,
    *pull_checks.CHECKS,
)
CLOCK_DIFFERENCE_IGNORED = timedelta(seconds=0.5)


class Outcome(Enum):
    """The outcome of a check, with its mark on the console."""

    PASSED = "[green]✓[/]"
    SKIPPED = "[yellow]-[/]"
    FAILED = "[red]✗[/]"


OPEN_CONFLICTS_QUERY = """query ($location: String) { conflicts(first: 100, status: OPEN, location: $location) {
    edges { node { id kind terminal event message } } } }"""
DISMISS_MUTATION = """mutation ($input: ConflictResolveInput!) {
    conflictResolve(input: $input) { errors { message } } }"""


def conform(
    url: str, key: str, *, staff_key: str | None, location: str | None, sku: str | None, only: Sequence[str]
) -> int:
    """Run the checks, and return the exit status. Errors: `TillError` if they cannot start."""
    chosen = [check for check in CHECKS if not only or name_of(check) in only]
    if unknown := {*only} - {name_of(check) for check in CHECKS}:
        names = ", ".join(name_of(check) for check in CHECKS)
        raise TillError(f"There is no check {', '.join(sorted(unknown))}. The checks are: {names}.")
    hub = HubClient(url, key)
    probe = make_probe(hub, location=location, sku=sku)
    out.print(
        f"{len(chosen)} checks at {probe.location}, on the stock of {probe.item.sku}; "
        f"receipts and event ids contain {probe.run}\n"
    )
    on_hand_before = probe.on_hand()
    try:
        outcomes = [(name_of(check), _run_check(check, probe)) for check in chosen]
    finally:
        restored = _clean_up(probe, on_hand_before, staff_key)
        hub.close()
    return max(_print_summary(outcomes), 0 if restored else 1)


def make_probe(hub: HubClient, *, location: str | None, sku: str | None) -> Probe:
    """Return a probe at the key's location, with an item that has a price there, set by the hub's clock.

    Errors: `TillError`.
    """
    catalog = pull_checks.pull_all(hub)
    priced = [item for item in catalog.items(clock.now()) if item.price and not item.discontinued]
    item = catalog.find(sku, clock.now()) if sku else _choose_item(priced)
    if item is None or not item.price or Decimal(item.price) <= 0:
        raise TillError("The checks need a variant with a price at the key's location, and there is none.")
    probe = Probe(hub, item)
    probe.location, hub_ahead_min, hub_ahead_max = _find_location(probe, location)
    probe.set_clock(*_clock_offset(hub_ahead_min, hub_ahead_max))
    # Another count of the item just now must be earlier than all that the checks send.
    probe.wait_for_hub_clock()
    return probe


def name_of(check: Check) -> str:
    return check.__name__.replace("_", "-")


def _choose_item(priced: Sequence[CatalogItem]) -> CatalogItem | None:
    """Prefer an item that has a barcode, then one that has nothing on hand."""
    return min(priced, key=lambda item: (item.barcode is None, item.on_hand != 0, item.sku), default=None)


def _find_location(probe: Probe, location: str | None) -> tuple[str, timedelta, timedelta]:
    """Find the key's location, and how far the hub's clock is ahead of this machine's: at least and at most.

    A unit is received and removed again. Its level is at the key's location, and the time of the movement is by the
    hub's clock. Errors: `TillError`.
    """
    epoch, before = probe.new_epoch(), on_hand_by_location(probe.hub, probe.item.sku)
    sent_at = clock.now()
    probe.send(probe.event(EventType.RECEIPT, 1, sequence=1), epoch=epoch)
    after = stock_by_location(probe.hub, probe.item.sku, location=location)
    read_at = clock.now()
    probe.send(probe.event(EventType.ADJUSTMENT, -1, sequence=2), epoch=epoch)
    moved = [location] if location else [code for code in after if after[code].on_hand != before.get(code, 0)]
    if len(moved) != 1 or moved[0] not in after:
        raise TillError(
            f"The key's location cannot be detected: {len(moved)} levels of {probe.item.sku} changed. "
            "Give it with --location."
        )
    recorded_at = after[moved[0]].recorded_at
    return moved[0], recorded_at - read_at, recorded_at - sent_at


def _clock_offset(hub_ahead_min: timedelta, hub_ahead_max: timedelta) -> tuple[timedelta, timedelta]:
    """Return the probe's clock offset, which puts it a little behind the hub's clock, and how far behind at most."""
    same = hub_ahead_min <= CLOCK_DIFFERENCE_IGNORED and hub_ahead_max >= -CLOCK_DIFFERENCE_IGNORED
    difference = timedelta(0) if same else hub_ahead_min
    if difference:
        err.print(
            f"[yellow]The hub's clock is {difference.total_seconds():+.0f} s from this machine's. "
            "The checks use the hub's clock.[/]"
        )
    return difference - CLOCK_MARGIN, max(hub_ahead_max - difference, timedelta(0)) + CLOCK_MARGIN


def _run_check(check: Check, probe: Probe) -> Outcome:
    """Run a check; print its name, its rule and what it saw."""
    started = time.perf_counter()
    try:
        seen, outcome = check(probe), Outcome.PASSED
    except CheckSkipped as reason:
        seen, outcome = f"skipped: {reason}", Outcome.SKIPPED
    except (CheckFailed, TillError) as error:
        seen, outcome = str(error), Outcome.FAILED
    took_ms = (time.perf_counter() - started) * 1000
    out.print(f"{outcome.value} [bold]{name_of(check)}[/]  [dim]{took_ms:.0f} ms[/]")
    out.print(Text(f"    {' '.join((check.__doc__ or '').split())}"))
    out.print(Text(f"    → {seen}", style="red" if outcome is Outcome.FAILED else "dim"))
    return outcome


def _print_summary(outcomes: Sequence[tuple[str, Outcome]]) -> int:
    """Print the last line, and return the exit status."""
    failed = [name for name, outcome in outcomes if outcome is Outcome.FAILED]
    skipped = sum(outcome is Outcome.SKIPPED for _, outcome in outcomes)
    summary = f"\n{len(outcomes) - len(failed) - skipped} of {len(outcomes)} checks passed"
    summary += f", {skipped} skipped" if skipped else ""
    summary += f"; failed: {', '.join(failed)}" if failed else ""
    out.print(Text(summary, style="bold red" if failed else "bold green"))
    return 1 if failed else 0


def _clean_up(probe: Probe, on_hand_before: int, staff_key: str | None) -> bool:
    """Restore the stock and dismiss what was parked. Return whether this succeeded."""
    try:
        _restore_stock(probe, on_hand_before)
        if staff_key:
            _dismiss_conflicts(HubClient(probe.hub.url, staff_key), probe)
        elif probe.parked:
            out.print(
                "The checks parked events on purpose. Staff can dismiss them; with --staff-key this is done here."
            )
    except (CheckFailed, TillError) as error:
        message = f"The stock was not restored. Check {probe.item.sku} at {probe.location}: {error}"
        err.print(Text(message, style="red"))
        return False
    return True


def _restore_stock(probe: Probe, on_hand_before: int) -> None:
    """Return what was sold, then count what was on hand at the start. Errors: `CheckFailed`, `TillError`."""
    epoch = probe.new_epoch()
    returns = [
        probe.event(
            EventType.RETURN,
            0,
            sequence=sequence,
            lines=tuple(EventLine(line.sku, line.quantity, line.unit_price or probe.item.price) for line in sale.lines),
            receipt=probe.new_receipt(),
            original_receipt=sale.receipt,
            tenders=sale.tenders or (Tender("CASH", str(probe.item.price)),),
        )
        for sequence, sale in enumerate(probe.sales, 1)
    ]
    count = probe.event(EventType.COUNT, max(0, on_hand_before), sequence=len(returns) + 1)
    answer = probe.send(*returns, count, epoch=epoch)
    expect("statuses of the returns and the count", {"APPLIED"}, set(statuses(answer)))
    out.print(
        f"\nRestored: {probe.item.sku} is counted as {probe.on_hand()}; before the checks it was {on_hand_before}. "
        f"{len(returns)} orders for {probe.revenue} in total remain, with their returns."
    )


def _dismiss_conflicts(staff: HubClient, probe: Probe) -> None:
    """Dismiss the conflicts of the events that this run parked."""
    edges = staff.execute(OPEN_CONFLICTS_QUERY, location=probe.location)["conflicts"]["edges"]
    own = [edge["node"] for edge in edges if _is_own(edge["node"]["event"], probe)]
    for conflict in own:
        note = f"Parked on purpose by uriba till conform, run {probe.run}."
        staff.execute(DISMISS_MUTATION, input={"id": conflict["id"], "action": "DISMISS", "note": note})
    staff.close()
    out.print(f"{len(own)} conflicts that the checks opened on purpose are dismissed.")


def _is_own(event: object, probe: Probe) -> bool:
    return isinstance(event, dict) and str(event.get("eventId", "")).startswith(f"conform-{probe.run}-")
