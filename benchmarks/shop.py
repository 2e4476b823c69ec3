"""The data of the benchmark: 20 stores and a warehouse, three channels with all of them, 400 products in stock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.documents import ERRORS, Client
from benchmarks.hub import Hub

STORES = tuple(f"S{n:02}" for n in range(1, 21))
WAREHOUSE = "W01"
LOCATIONS = (WAREHOUSE, *STORES)
CHANNELS = {"app": "APP", "web": "WEB", "stores": "STORE"}
TAX_RATES = [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}]
SKUS = tuple(f"G{n:03}" for n in range(400))
SCARCE_SKUS = ("HOT-TILL", "HOT-WEB", "HOT-CEILING")
"""In stock at `SCARCE_STORE` only. A race sets the stock of its SKU to the units that it sells."""

SCARCE_STORE, SCARCE_PRICE = STORES[0], "1200"
PLENTY = 50_000
ROWS_MAX = 1_000
REQUEST_WITHIN_S = 120
TILLS = 4

StepReporter = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shop:
    """A loaded shop and its clients: staff, a guest of the web shop, and tills, each at another store."""

    hub: Hub
    staff: Client
    guest: Client
    tills: tuple[Client, ...]

    def execute(self, query: str, **variables: Any) -> Any:
        """Execute an operation as staff, and return its only field."""
        body = httpx.post(
            self.hub.url,
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {self.staff.key}"},
            timeout=REQUEST_WITHIN_S,
        ).json()
        assert "errors" not in body, body
        (field,) = body["data"].values()
        assert not field.get("errors"), field
        return field

    def page_cursors(self) -> tuple[str | None, ...]:
        """Return the cursor before each page of 20 products."""
        query = """query ($after: String) {
            products(channel: "web", first: 20, after: $after) { pageInfo { hasNextPage endCursor } } }"""
        cursors: list[str | None] = [None]
        while (page := self.execute(query, after=cursors[-1])["pageInfo"])["hasNextPage"]:
            cursors.append(page["endCursor"])
        return tuple(cursors)

    def set_scarce_stock(self, sku: str, units: int) -> None:
        """Set the on hand of a scarce SKU."""
        self.set_stock([{"sku": sku, "location": SCARCE_STORE, "onHand": units}])

    def set_stock(self, changes: Sequence[dict[str, Any]]) -> None:
        mutation = f"mutation ($i: StockSetInput!) {{ stockSet(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}"
        self.execute(mutation, i={"changes": changes, "idempotencyKey": uuid4().hex})

    def scarce_level(self, sku: str) -> dict[str, int]:
        """Return the stock level of a scarce SKU."""
        query = """query ($l: String, $s: [String!]) { stockLevels(location: $l, skus: $s) {
            edges { node { onHand committed reserved available shortage } } } }"""
        (edge,) = self.execute(query, l=SCARCE_STORE, s=[sku])["edges"]
        return edge["node"]  # type: ignore[no-any-return]


def load_shop(hub: Hub, *, report_step: StepReporter) -> Shop:
    """Load the shop through the API, with keys from the command line."""
    report_step("creating keys")
    client = Client("127.0.0.1", hub.port)
    staff = replace(client, key=hub.create_key("staff", "--name", "Bench"))
    shop = Shop(hub, staff, replace(client, channel="web"), ())
    report_step(f"loading {len(SKUS)} products, {len(LOCATIONS)} locations, {len(SKUS) * len(LOCATIONS):,} levels")
    for field, kind, rows in _MASTER_DATA:
        for batch in _batches(rows()):
            name = field.removesuffix("Upsert")
            shop.execute(f"mutation ($rows: [{kind}!]!) {{ {field}({name}: $rows) {{ count {ERRORS} }} }}", rows=batch)
    for batch in _batches({"sku": s, "location": code, "onHand": PLENTY} for s in SKUS for code in LOCATIONS):
        shop.set_stock(batch)
    with ThreadPoolExecutor(TILLS) as pool:
        keys = pool.map(lambda store: hub.create_key("terminal", "--location", store), STORES[:TILLS])
    return replace(shop, tills=tuple(replace(client, key=key) for key in keys))


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, ROWS_MAX)):
        yield batch


def _locations() -> Iterator[dict[str, Any]]:
    yield {"code": WAREHOUSE, "name": "Warehouse", "kind": "WAREHOUSE", "shipsOrders": True}
    for code in STORES:
        yield {"code": code, "name": f"Store {code}", "kind": "STORE", "offersPickup": True, "shipsOrders": True}


def _channels() -> Iterator[dict[str, Any]]:
    for code, kind in CHANNELS.items():
        yield {
            "code": code,
            "name": code.title(),
            "kind": kind,
            "currency": "JPY",
            "locations": LOCATIONS,
            "taxRates": TAX_RATES,
        }


def _products() -> Iterator[dict[str, Any]]:
    for n, sku in enumerate((*SKUS, *SCARCE_SKUS)):
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
    for n, sku in enumerate((*SKUS, *SCARCE_SKUS)):
        amount = SCARCE_PRICE if sku in SCARCE_SKUS else str(150 + n * 7)
        for channel in CHANNELS:
            yield {"sku": sku, "channel": channel, "amount": {"amount": amount, "currency": "JPY"}}


_MASTER_DATA: tuple[tuple[str, str, Callable[[], Iterator[dict[str, Any]]]], ...] = (
    ("locationsUpsert", "LocationInput", _locations),
    ("channelsUpsert", "ChannelInput", _channels),
    ("productsUpsert", "ProductInput", _products),
    ("pricesUpsert", "PriceInput", _prices),
)
