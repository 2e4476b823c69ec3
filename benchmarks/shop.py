"""The shop that is measured: 20 stores and a warehouse, three channels over all of them, 400 products in stock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.documents import ERRORS, Front
from benchmarks.hub import Hub

STORES = tuple(f"S{n:02}" for n in range(1, 21))
WAREHOUSE = "W01"
PLACES = (WAREHOUSE, *STORES)
CHANNELS = {"app": "APP", "web": "WEB", "stores": "STORE"}
RATES = [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}]
SKUS = tuple(f"G{n:03}" for n in range(400))
SCARCE = ("HOT-TILL", "HOT-WEB", "HOT-CEILING")
"""Each on one shelf only, of which the races put as much as they sell."""

SCARCE_STORE, SCARCE_PRICE = STORES[0], "1200"
PLENTY = 50_000
ROWS_MAX = 1_000
LOAD_S = 120
TILLS = 4

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shop:
    """An open shop, and who calls it: staff, a guest of the web shop, and tills, each in a store of its own."""

    hub: Hub
    staff: Front
    guest: Front
    tills: tuple[Front, ...]

    def ask(self, query: str, **variables: Any) -> Any:
        """The one field of a staff member's operation."""
        answer = httpx.post(
            self.hub.url,
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {self.staff.key}"},
            timeout=LOAD_S,
        ).json()
        assert "errors" not in answer, answer
        (found,) = answer["data"].values()
        assert not found.get("errors"), found
        return found

    def cursors(self) -> tuple[str | None, ...]:
        """Where each page of 20 products begins."""
        query = """query ($after: String) {
            products(channel: "web", first: 20, after: $after) { pageInfo { hasNextPage endCursor } } }"""
        found: list[str | None] = [None]
        while (page := self.ask(query, after=found[-1])["pageInfo"])["hasNextPage"]:
            found.append(page["endCursor"])
        return tuple(found)

    def put(self, sku: str, units: int) -> None:
        """Put so many on the scarce goods' shelf, and none elsewhere."""
        self.set_stock([{"sku": sku, "location": SCARCE_STORE, "onHand": units}])

    def set_stock(self, changes: Sequence[dict[str, Any]]) -> None:
        mutation = f"mutation ($i: StockSetInput!) {{ stockSet(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}"
        self.ask(mutation, i={"changes": changes, "idempotencyKey": uuid4().hex})

    def on_shelf(self, sku: str) -> dict[str, int]:
        """The level of a scarce good."""
        query = """query ($l: String, $s: [String!]) { stockLevels(location: $l, skus: $s) {
            edges { node { onHand committed reserved available shortage } } } }"""
        (edge,) = self.ask(query, l=SCARCE_STORE, s=[sku])["edges"]
        return edge["node"]  # type: ignore[no-any-return]


def open_shop(hub: Hub, *, say: Say) -> Shop:
    """Load the shop through the API, with keys from the command line."""
    say("issuing keys")
    at = Front("127.0.0.1", hub.port)
    staff, guest = replace(at, key=hub.key("staff", "--name", "Bench")), replace(at, channel="web")
    opening = Shop(hub, staff, guest, ())
    say(f"loading {len(SKUS)} products, {len(PLACES)} locations, {len(SKUS) * len(PLACES):,} levels")
    for field, kind, rows in _MASTER_DATA:
        for some in _batches(rows()):
            name = field.removesuffix("Upsert")
            opening.ask(f"mutation ($rows: [{kind}!]!) {{ {field}({name}: $rows) {{ count {ERRORS} }} }}", rows=some)
    for some in _batches({"sku": s, "location": p, "onHand": PLENTY} for s in SKUS for p in PLACES):
        opening.set_stock(some)
    with ThreadPoolExecutor(TILLS) as pool:
        keys = pool.map(lambda store: hub.key("terminal", "--location", store), STORES[:TILLS])
    return replace(opening, tills=tuple(replace(at, key=key) for key in keys))


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while some := list(islice(rows, ROWS_MAX)):
        yield some


def _locations() -> Iterator[dict[str, Any]]:
    yield {"code": WAREHOUSE, "name": "Warehouse", "kind": "WAREHOUSE", "shipsOrders": True}
    for code in STORES:
        yield {"code": code, "name": f"Store {code}", "kind": "STORE", "offersPickup": True, "shipsOrders": True}


def _channels() -> Iterator[dict[str, Any]]:
    for code, kind in CHANNELS.items():
        given = {"currency": "JPY", "locations": PLACES, "taxRates": RATES}
        yield {"code": code, "name": code.title(), "kind": kind, **given}


def _products() -> Iterator[dict[str, Any]]:
    for n, sku in enumerate((*SKUS, *SCARCE)):
        tax_class = "reduced" if n % 3 else "standard"
        variant = {
            "sku": sku,
            "name": f"Good {sku}, 200 g",
            "barcode": f"{4_900_000_000_000 + n}",
            "taxClass": tax_class,
        }
        yield {
            "handle": sku.lower(),
            "name": f"Good {sku}",
            "brand": f"Brand {n % 17}",
            "category": f"Aisle {n % 20:02}",
            "description": "What it is made of, where it comes from and how it is kept.",
            "variants": [variant],
        }


def _prices() -> Iterator[dict[str, Any]]:
    for n, sku in enumerate((*SKUS, *SCARCE)):
        amount = SCARCE_PRICE if sku in SCARCE else str(150 + n * 7)
        for channel in CHANNELS:
            yield {"sku": sku, "channel": channel, "amount": {"amount": amount, "currency": "JPY"}}


_MASTER_DATA: tuple[tuple[str, str, Callable[[], Iterator[dict[str, Any]]]], ...] = (
    ("locationsUpsert", "LocationInput", _locations),
    ("channelsUpsert", "ChannelInput", _channels),
    ("productsUpsert", "ProductInput", _products),
    ("pricesUpsert", "PriceInput", _prices),
)
