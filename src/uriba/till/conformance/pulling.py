"""Checks of what a till pulls: an old cursor and the changes since come to the same as a fresh pull."""

from __future__ import annotations

import time
from typing import Any

from uriba.core import clock
from uriba.till.conformance.probe import Probe, expect, refused
from uriba.till.errors import NotUnderstood
from uriba.till.hub import Hub
from uriba.till.shelf import Shelf

TOLD_S = 10.0
"""How soon a change is to be in what a till pulls."""

LOOK_S = 0.05


def pulled(hub: Hub, shelf: Shelf | None = None, *, first: int = 500) -> Shelf:
    """Everything from a shelf's cursor on."""
    shelf = shelf or Shelf()
    while True:
        page = hub.pull(shelf.kept.cursor, first=first)
        shelf.take(page, clock.now())
        if not page.more:
            return shelf


def stock_of(shelf: Shelf, sku: str) -> int | None:
    found: dict[str, Any] = shelf.kept.entries.get("STOCK", {}).get(sku, {})
    return found["stock"]["onHand"] if found.get("stock") else None


def changes_arrive(probe: Probe) -> str:
    """A change of stock is in what an old cursor gives, within seconds."""
    shelf = pulled(probe.hub)
    entries = 0
    probe.counted(321)
    began = time.monotonic()
    while stock_of(shelf, probe.good.sku) != 321:
        if time.monotonic() - began > TOLD_S:
            expect("pulled stock", 321, stock_of(shelf, probe.good.sku))
        time.sleep(LOOK_S)
        page = probe.hub.pull(shelf.kept.cursor, first=500)
        shelf.take(page, clock.now())
        entries += len(page.entries)
    return f"321 on hand, {time.monotonic() - began:.2f} s after the count, in {entries} entries"


def old_cursor(probe: Probe) -> str:
    """What an old cursor gives, applied in order, makes the same state as a fresh pull."""
    shelf = pulled(probe.hub)
    for units in (7, 8, 9):
        probe.counted(units)
    began = time.monotonic()
    while True:
        old, fresh = pulled(probe.hub, shelf), pulled(probe.hub)
        if old.kept.entries == fresh.kept.entries and stock_of(fresh, probe.good.sku) == 9:
            return f"{sum(map(len, fresh.kept.entries.values())):,} entries, the same in both"
        if time.monotonic() - began > TOLD_S:
            expect("states that differ", [], _differing(old, fresh))
            expect("pulled stock", 9, stock_of(fresh, probe.good.sku))
        time.sleep(LOOK_S)


def small_pages(probe: Probe) -> str:
    """Small pages come to the same as large ones."""
    large, small = pulled(probe.hub), pulled(probe.hub, first=100)
    expect("states that differ", [], _differing(large, small))
    return f"{sum(map(len, large.kept.entries.values())):,} entries by 100 and by 500"


def asked_too_often(probe: Probe) -> str:
    """At the end there is nothing to pull, and the cursor stays good."""
    shelf = pulled(probe.hub)
    page = probe.hub.pull(shelf.kept.cursor, first=500)
    shelf.take(page, clock.now())
    expect("more", False, probe.hub.pull(page.cursor, first=500).more)
    return f"{len(page.entries)} entries at the end"


def page_too_large(probe: Probe) -> str:
    """More than 1,000 entries at once are refused."""
    return refused(NotUnderstood, lambda: probe.hub.pull(None, first=1_001))


def price_and_tax(probe: Probe) -> str:
    """What a till needs to sell without the hub is there: price, tax rates and the units on hand."""
    shelf = pulled(probe.hub)
    probe.counted(12)
    good = shelf.find(probe.good.sku, clock.now())
    taxes = [tax for entry in shelf.kept.entries.get("TAXES", {}).values() for tax in entry["taxes"] or ()]
    expect("has (price, tax rates)", (True, True), (good.price is not None, bool(taxes)))
    return f"{good.sku} costs {good.price} {good.currency}; {len(taxes)} tax rates"


def _differing(one: Shelf, other: Shelf) -> list[str]:
    """Kinds and keys whose entries differ."""
    kinds = {*one.kept.entries, *other.kept.entries}
    return [
        f"{kind} {key}"
        for kind in sorted(kinds)
        for key in sorted({*one.kept.entries.get(kind, {}), *other.kept.entries.get(kind, {})})
        if one.kept.entries.get(kind, {}).get(key) != other.kept.entries.get(kind, {}).get(key)
    ][:10]


CHECKS = (price_and_tax, changes_arrive, old_cursor, small_pages, asked_too_often, page_too_large)
