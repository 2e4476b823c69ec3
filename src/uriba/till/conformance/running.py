"""All checks, one after the other, told as they go; then everything is put back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from enum import Enum

from rich.text import Text

from uriba.core import clock
from uriba.till.conformance import barriers, pulling, sequences, verdicts
from uriba.till.conformance.probe import BEHIND, Probe, Skipped, Unmet, expect, levels, states, statuses
from uriba.till.errors import TillError
from uriba.till.events import Kind, Line, Tender
from uriba.till.hub import Hub
from uriba.till.shelf import Good
from uriba.till.showing import err, out

Check = Callable[[Probe], str]

CHECKS: tuple[Check, ...] = (*sequences.CHECKS, *verdicts.CHECKS, *barriers.CHECKS, *pulling.CHECKS)
CLOCKS_APART = timedelta(seconds=0.5)


class Outcome(Enum):
    """What became of a check, and its mark."""

    HELD = "[green]✓[/]"
    SKIPPED = "[yellow]-[/]"
    FAILED = "[red]✗[/]"


OPEN = """query ($location: String) { conflicts(first: 100, status: OPEN, location: $location) { edges { node {
    id kind terminal event message } } } }"""
DISMISS = """mutation ($input: ConflictResolveInput!) { conflictResolve(input: $input) { errors { message } } }"""


def conform(
    url: str, key: str, *, staff_key: str | None, location: str | None, sku: str | None, only: Sequence[str]
) -> int:
    """Run the checks; the exit status. Errors: `TillError` where they cannot begin."""
    chosen = [check for check in CHECKS if not only or name_of(check) in only]
    if unknown := {*only} - {name_of(check) for check in CHECKS}:
        names = ", ".join(name_of(check) for check in CHECKS)
        raise TillError(f"There is no check {', '.join(sorted(unknown))}. There are: {names}.")
    hub = Hub(url, key)
    probe = begin(hub, location=location, sku=sku)
    out.print(
        f"{len(chosen)} checks at {probe.location}, on the stock of {probe.good.sku}; "
        f"receipts and event ids hold {probe.run}\n"
    )
    before = probe.on_hand()
    try:
        found = [(name_of(check), _made(check, probe)) for check in chosen]
    finally:
        tidy = _tidied(probe, before, staff_key)
        hub.close()
    return max(_sum_up(found), 0 if tidy else 1)


def _tidied(probe: Probe, before: int, staff_key: str | None) -> bool:
    """Whether everything is as it was, as far as it can be."""
    try:
        _put_back(probe, before)
        if staff_key:
            _dismiss(Hub(probe.hub.url, staff_key), probe)
        elif probe.parked:
            out.print("What was parked on purpose is open for staff: dismiss it there, or run this with --staff-key.")
    except (Unmet, TillError) as error:
        err.print(Text(f"Not put back, look at {probe.good.sku} at {probe.location}: {error}", style="red"))
        return False
    return True


def _sum_up(found: Sequence[tuple[str, Outcome]]) -> int:
    """The last line, and the exit status."""
    failed = [name for name, outcome in found if outcome is Outcome.FAILED]
    skipped = sum(outcome is Outcome.SKIPPED for _, outcome in found)
    words = f"\n{len(found) - len(failed) - skipped} of {len(found)} checks hold"
    words += f", {skipped} skipped" if skipped else ""
    words += f"; not: {', '.join(failed)}" if failed else ""
    out.print(Text(words, style="bold red" if failed else "bold green"))
    return 1 if failed else 0


def begin(hub: Hub, *, location: str | None, sku: str | None) -> Probe:
    """Find out where we are, what is sold there, and whose clock is right. Errors: `TillError`."""
    shelf = pulling.pulled(hub)
    sold = [good for good in shelf.goods(clock.now()) if good.price and not good.discontinued]
    good = shelf.find(sku, clock.now()) if sku else _least_missed(sold)
    if good is None or not good.price or Decimal(good.price) <= 0:
        raise TillError("There is nothing to check with: no variant has a price at this key's location.")
    probe = Probe(hub, good)
    found, least, most = _arrive(probe, location)
    probe.location = found
    probe.set_clock(*_set_clock(least, most))
    # Whoever counted just now did so before us.
    probe.pass_hubs_clock()
    return probe


def _arrive(probe: Probe, location: str | None) -> tuple[str, timedelta, timedelta]:
    """A unit comes and goes. Where it came to is this key's location, and the ledger says when that was by the hub's
    clock: at least and at most how far that one is ahead of ours. Errors: `TillError`."""
    epoch, before = probe.epoch(), levels(probe.hub, probe.good.sku)
    sent = clock.now()
    probe.send(probe.event(Kind.RECEIPT, 1, sequence=1), epoch=epoch)
    after = states(probe.hub, probe.good.sku, location=location)
    seen = clock.now()
    probe.send(probe.event(Kind.ADJUSTMENT, -1, sequence=2), epoch=epoch)
    moved = [location] if location else [code for code in after if after[code].on_hand != before.get(code, 0)]
    if len(moved) != 1 or moved[0] not in after:
        raise TillError(
            f"Which location is this key of? {len(moved)} levels of {probe.good.sku} moved: say --location."
        )
    recorded = after[moved[0]].recorded_at
    return moved[0], recorded - seen, recorded - sent


def _least_missed(sold: Sequence[Good]) -> Good | None:
    """Goods with a price, one with a barcode and nothing on the shelf before others."""
    return min(sold, key=lambda good: (good.barcode is None, good.on_hand != 0, good.sku), default=None)


def _set_clock(least: timedelta, most: timedelta) -> tuple[timedelta, timedelta]:
    """How far to set our clock, so that it is a little behind the hub's; and how far it then is at most."""
    apart = timedelta(0) if least <= CLOCKS_APART and most >= -CLOCKS_APART else least
    if apart:
        err.print(
            f"[yellow]The hub's clock is {apart.total_seconds():+.0f} s from this machine's: going by the hub's.[/]"
        )
    return apart - BEHIND, max(most - apart, timedelta(0)) + BEHIND


def name_of(check: Check) -> str:
    return check.__name__.replace("_", "-")


def _made(check: Check, probe: Probe) -> Outcome:
    """Make a check, and say what it is about and what was seen."""
    began = time.perf_counter()
    try:
        seen, outcome = check(probe), Outcome.HELD
    except Skipped as reason:
        seen, outcome = f"skipped: {reason}", Outcome.SKIPPED
    except (Unmet, TillError) as error:
        seen, outcome = str(error), Outcome.FAILED
    took_ms = (time.perf_counter() - began) * 1000
    out.print(f"{outcome.value} [bold]{name_of(check)}[/]  [dim]{took_ms:.0f} ms[/]")
    out.print(Text(f"    {' '.join((check.__doc__ or '').split())}"))
    out.print(Text(f"    → {seen}", style="red" if outcome is Outcome.FAILED else "dim"))
    return outcome


def _put_back(probe: Probe, before: int) -> None:
    """Return what was sold, then count what was there at the beginning."""
    epoch = probe.epoch()
    returned = [
        probe.event(
            Kind.RETURN,
            0,
            sequence=n,
            lines=tuple(Line(line.sku, line.quantity, line.unit_price or probe.good.price) for line in sale.lines),
            receipt=probe.receipt(),
            original_receipt=sale.receipt,
            tenders=sale.tenders or (Tender("CASH", str(probe.good.price)),),
        )
        for n, sale in enumerate(probe.sold, 1)
    ]
    last = probe.event(Kind.COUNT, max(0, before), sequence=len(returned) + 1)
    answer = probe.send(*returned, last, epoch=epoch)
    expect("what was put back is applied", {"APPLIED"}, set(statuses(answer)))
    out.print(
        f"\nPut back: {probe.good.sku} is counted as {probe.on_hand()}, it was {before}; "
        f"{len(returned)} sales of {probe.takings} in all stand in the order book with their returns."
    )


def _dismiss(staff: Hub, probe: Probe) -> None:
    """Close what this run has parked."""
    found = staff.ask(OPEN, location=probe.location)["conflicts"]["edges"]
    own = [edge["node"] for edge in found if _is_own(edge["node"]["event"], probe)]
    for node in own:
        note = f"Parked on purpose by uriba till conform, run {probe.run}."
        staff.ask(DISMISS, input={"id": node["id"], "action": "DISMISS", "note": note})
    staff.close()
    out.print(f"{len(own)} conflicts that were opened on purpose are dismissed.")


def _is_own(event: object, probe: Probe) -> bool:
    return isinstance(event, dict) and str(event.get("eventId", "")).startswith(f"conform-{probe.run}-")
