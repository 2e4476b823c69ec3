"""Checks of posPull: an old cursor with the changes since then gives the same state as a full pull."""

from __future__ import annotations

import time

from uriba.till import clock
from uriba.till.conformance.probe import Probe, expect, expect_error
from uriba.till.errors import ProtocolError
from uriba.till.hub_client import HubClient
from uriba.till.local_catalog import LocalCatalog

CHANGE_WITHIN_S = 10.0
"""A change must be in posPull within this time."""

POLL_INTERVAL_S = 0.05
PAGE_SIZE = 500
PAGE_SIZE_MAX = 1_000
DIFFERENCES_MAX = 10


def pull_all(hub: HubClient, catalog: LocalCatalog | None = None, *, page_size: int = PAGE_SIZE) -> LocalCatalog:
    """Pull everything after the catalog's cursor into it; without a catalog, everything into a new one."""
    catalog = catalog or LocalCatalog()
    while True:
        page = hub.pull(catalog.state.cursor, first=page_size)
        catalog.apply_page(page, clock.now())
        if not page.more:
            return catalog


def stock_change_pulled(probe: Probe) -> str:
    """A change of stock is pulled from an old cursor within seconds."""
    catalog = pull_all(probe.hub)
    entries = 0
    probe.set_on_hand(321)
    started = time.monotonic()
    while _on_hand(catalog, probe) != 321:
        if time.monotonic() - started > CHANGE_WITHIN_S:
            expect("pulled stock", 321, _on_hand(catalog, probe))
        time.sleep(POLL_INTERVAL_S)
        page = probe.hub.pull(catalog.state.cursor, first=PAGE_SIZE)
        catalog.apply_page(page, clock.now())
        entries += len(page.entries)
    return f"on hand 321, pulled {time.monotonic() - started:.2f} s after the count, in {entries} entries"


def old_cursor(probe: Probe) -> str:
    """The entries after an old cursor, applied in order, give the same state as a full pull."""
    catalog = pull_all(probe.hub)
    for units in (7, 8, 9):
        probe.set_on_hand(units)
    started = time.monotonic()
    while True:
        old, fresh = pull_all(probe.hub, catalog), pull_all(probe.hub)
        if old.state.entries == fresh.state.entries and _on_hand(fresh, probe) == 9:
            return f"{_size(fresh):,} entries, the same in both"
        if time.monotonic() - started > CHANGE_WITHIN_S:
            expect("entries that differ", [], _differences(old, fresh))
            expect("pulled stock", 9, _on_hand(fresh, probe))
        time.sleep(POLL_INTERVAL_S)


def small_pages(probe: Probe) -> str:
    """Small pages give the same state as large ones."""
    large, small = pull_all(probe.hub), pull_all(probe.hub, page_size=100)
    expect("entries that differ", [], _differences(large, small))
    return f"{_size(large):,} entries, in pages of 100 and of 500"


def pull_at_end(probe: Probe) -> str:
    """After the last page a pull returns no more pages, and its cursor stays valid."""
    catalog = pull_all(probe.hub)
    page = probe.hub.pull(catalog.state.cursor, first=PAGE_SIZE)
    expect("more", False, probe.hub.pull(page.cursor, first=PAGE_SIZE).more)
    return f"{len(page.entries)} entries after the last page"


def page_too_large(probe: Probe) -> str:
    """A page of more than 1,000 entries is rejected."""
    return expect_error(ProtocolError, lambda: probe.hub.pull(None, first=PAGE_SIZE_MAX + 1))


def price_and_tax(probe: Probe) -> str:
    """The pulled state has a price and tax rates, so that a till can sell offline."""
    catalog = pull_all(probe.hub)
    probe.set_on_hand(12)
    item, rates = catalog.find(probe.item.sku, clock.now()), catalog.tax_rates()
    expect("has (price, tax rates)", (True, True), (item.price is not None, bool(rates)))
    return f"{item.sku} costs {item.price} {item.currency}; {len(rates)} tax rates"


def _on_hand(catalog: LocalCatalog, probe: Probe) -> int | None:
    return catalog.stock_of(probe.item.sku).get("onHand")


def _size(catalog: LocalCatalog) -> int:
    return sum(map(len, catalog.state.entries.values()))


def _differences(one: LocalCatalog, other: LocalCatalog) -> list[str]:
    """Return the kinds and keys of entries that differ, at most 10."""
    left, right = one.state.entries, other.state.entries
    return [
        f"{kind} {key}"
        for kind in sorted({*left, *right})
        for key in sorted({*left.get(kind, {}), *right.get(kind, {})})
        if left.get(kind, {}).get(key) != right.get(kind, {}).get(key)
    ][:DIFFERENCES_MAX]


CHECKS = (price_and_tax, stock_change_pulled, old_cursor, small_pages, pull_at_end, page_too_large)
