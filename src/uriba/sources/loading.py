"""Loading a slice of the year into a hub: master data and opening stock, written by the functions that the API calls.

Each batch is one transaction and can be repeated: unchanged rows change nothing, and a store's opening receipt is
posted once, to levels without movements only. Loading again completes an interrupted load.

The hub gets three channels. They sell from the stores of the slice that was loaded last. As usual in the US, prices
exclude tax.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, TypeVar

from uriba.catalog import channels, locations, products, queries
from uriba.catalog.channels import ChannelRow, TaxRateRow
from uriba.catalog.enums import ChannelKind, LocationKind
from uriba.catalog.locations import LocationRow
from uriba.catalog.products import ProductRow, VariantRow
from uriba.core import digests
from uriba.core.actor import SYSTEM
from uriba.core.money import to_decimal
from uriba.customers import customers
from uriba.customers.customers import CustomerRow
from uriba.db import Database, Session, idempotency
from uriba.db.idempotency import Call
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason
from uriba.inventory.ledger import Movement
from uriba.inventory.queries import levels_by_key
from uriba.outbox import relay
from uriba.pricing import prices, promotion_setup
from uriba.pricing.coupons import upsert as upsert_coupons
from uriba.pricing.prices import PriceRow
from uriba.pricing.promotion_input import PromotionInput
from uriba.sources.complete_journey import ZONE, CompleteJourney, OpeningStock, Product, Store
from uriba.sources.coupons import CampaignCoupons

CALLER = "source:complete-journey"
CURRENCY = "USD"
SHIPPING_PRICE = "4.99"
TAX_RATES = (TaxRateRow("standard", "0.06"), TaxRateRow("reduced", "0"))
BATCH_ROWS = 1_000
STORES_AT_ONCE = 4
"""Opening receipts posted at the same time. Stores share no level, so the receipts do not wait for each other."""

FOOD_DEPARTMENTS = frozenset(
    {
        "DELI",
        "FROZEN GROCERY",
        "GROCERY",
        "MEAT",
        "MEAT-PCKGD",
        "NUTRITION",
        "PASTRY",
        "PROD-WHS SALES",
        "PRODUCE",
        "SEAFOOD",
        "SEAFOOD-PCKGD",
    }
)
"""Departments of food to take home, which most US states do not tax. All their products are taxed as reduced (0 %), and
all others as standard (6 %). This is a deliberate simplification: detergent in GROCERY is not taxed either."""

T = TypeVar("T")
AddRows = Callable[[int], None]
"""Reports that so many more rows are done."""


class Progress(Protocol):
    """Reports a stage of the load: `rows` is the stage's number of rows, or None if it is not known yet.

    While the stage runs, it calls the `AddRows` that it gets.
    """

    def __call__(self, stage: str, rows: int | None, /) -> AbstractContextManager[AddRows]: ...


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The number of rows of a slice. `received`: the levels that got their opening stock in this load."""

    stores: int
    products: int
    households: int
    levels: int
    received: int


async def load(database: Database, year: CompleteJourney, *, progress: Progress, coupons: bool = True) -> LoadResult:
    """Load a slice of the year, or the rest of an interrupted load. `coupons`: with the coupons of its campaigns."""
    with progress("reading the year", None) as add_rows:
        add_rows(await asyncio.to_thread(_read_all, year))
    location_rows = [_location_row(store) for store in year.stores]
    await _upsert_in_batches(database, location_rows, locations.upsert, progress, "stores")
    await _upsert_in_batches(database, _channel_rows(year.stores), channels.upsert, progress, "channels")
    product_rows = [_product_row(product) for product in year.products]
    await _upsert_in_batches(database, product_rows, products.upsert, progress, "products")
    price_rows = [PriceRow(price.sku, to_decimal(price.amount_minor, CURRENCY), CURRENCY) for price in year.prices]
    await _upsert_in_batches(database, price_rows, prices.upsert, progress, "prices")
    if coupons:
        await _load_coupons(database, year, progress)
    customer_rows = [CustomerRow(loyalty_card=family.loyalty_card, name=family.name) for family in year.households]
    await _upsert_in_batches(database, customer_rows, customers.upsert, progress, "households")
    received = await _receive_opening_stock(database, year.opening_stock, progress)
    await relay_events(database, progress)
    result = LoadResult(len(year.stores), len(year.products), len(year.households), len(year.opening_stock), received)
    await _record_load(database, year, result)
    return result


async def is_loaded(database: Database, year: CompleteJourney) -> bool:
    """Whether this slice was loaded before and the channels sell from it. Does not read the source."""
    async with database.reading() as session:
        earlier = await idempotency.find(session, _call("load", year.name, year.name))
        by_code = await channels.by_code(session, ["app"])
        if earlier is None or not by_code:
            return False
        app = by_code["app"]["id"]
        return len((await locations.by_channel(session, [app]))[app]) == int(earlier.answer["stores"])


async def relay_events(database: Database, progress: Progress) -> None:
    """Give all waiting events their positions in the feed, so that a worker that starts later has no backlog."""
    async with database.reading() as session:
        waiting = await relay.waiting(session)
    with progress("events", waiting) as add_rows:
        while numbered := (await relay.number(database))[0]:
            add_rows(numbered)


async def _load_coupons(database: Database, year: CompleteJourney, progress: Progress) -> None:
    """Load the coupons of the year's campaigns: a promotion and a code for each."""
    coupons = CampaignCoupons(year)
    promotions = await asyncio.to_thread(lambda: list(coupons.promotions()))
    with progress("promotions", len(promotions)) as add_rows:
        for batch in _promotion_batches(promotions):
            async with database.transaction() as session:
                await promotion_setup.upsert(session, batch)
            add_rows(len(batch))
    await _upsert_in_batches(database, list(coupons.codes()), upsert_coupons, progress, "coupons")


def _promotion_batches(promotions: Sequence[PromotionInput]) -> Iterator[list[PromotionInput]]:
    """Yield batches with at most as many SKUs and rows as one call may have."""
    batch: list[PromotionInput] = []
    for promotion in promotions:
        skus = sum(len(row.items.skus) for row in [*batch, promotion])
        if batch and (skus > promotion_setup.SKUS_OF_CALL_MAX or len(batch) == BATCH_ROWS):
            yield batch
            batch = []
        batch.append(promotion)
    if batch:
        yield batch


def _read_all(year: CompleteJourney) -> int:
    """Read the whole slice into memory; return its number of rows."""
    parts = (year.stores, year.products, year.prices, year.opening_stock, year.households)
    return sum(len(part) for part in parts)


async def _record_load(database: Database, year: CompleteJourney, result: LoadResult) -> None:
    """Record that the slice was loaded, for `is_loaded`."""
    call = _call("load", year.name, year.name)
    async with database.transaction() as session:
        if await idempotency.find(session, call) is None:
            idempotency.record(session, call, answer={"stores": result.stores})


def _call(operation: str, key: str, content: object) -> Call:
    return Call.of(caller=CALLER, operation=operation, key=key, content=content)


async def _upsert_in_batches(
    database: Database,
    rows: Sequence[T],
    upsert: Callable[[Session, Sequence[T]], Awaitable[int]],
    progress: Progress,
    stage: str,
) -> None:
    with progress(stage, len(rows)) as add_rows:
        for batch in _batches(rows, BATCH_ROWS):
            async with database.transaction() as session:
                await upsert(session, batch)
            add_rows(len(batch))


def _batches(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _location_row(store: Store) -> LocationRow:
    return LocationRow(
        store.code, store.name, LocationKind.STORE, timezone=ZONE.key, offers_pickup=True, ships_orders=True
    )


def _channel_rows(stores: Sequence[Store]) -> list[ChannelRow]:
    codes = [store.code for store in stores]

    def channel(code: str, name: str, kind: ChannelKind, shipping: str) -> ChannelRow:
        return ChannelRow(
            code, name, kind, CURRENCY, codes, TAX_RATES, prices_include_tax=False, shipping_price=shipping
        )

    return [
        channel("app", "App", ChannelKind.APP, SHIPPING_PRICE),
        channel("web", "Web shop", ChannelKind.WEB, SHIPPING_PRICE),
        channel("stores", "Stores", ChannelKind.STORE, "0"),
    ]


def _product_row(product: Product) -> ProductRow:
    tax_class = "reduced" if product.department in FOOD_DEPARTMENTS else "standard"
    variant = VariantRow(product.sku, product.name, barcode=product.barcode, tax_class=tax_class)
    return ProductRow(
        product.handle,
        product.name,
        [variant],
        description=product.description,
        brand=product.brand,
        category=product.category,
    )


async def _receive_opening_stock(database: Database, stocks: Sequence[OpeningStock], progress: Progress) -> int:
    """Post each store's opening receipt; return the number of levels that had no stock yet."""
    slots = asyncio.Semaphore(STORES_AT_ONCE)

    async def receive(store: str, stocks: Sequence[OpeningStock]) -> int:
        async with slots, database.transaction() as session:
            return await _receive_store(session, store, stocks, add_rows)

    with progress("stock levels", len(stocks)) as add_rows:
        async with asyncio.TaskGroup() as tasks:
            stores = groupby(stocks, key=lambda stock: stock.store)
            receipts = [tasks.create_task(receive(store, list(of_store))) for store, of_store in stores]
    return sum(receipt.result() for receipt in receipts)


async def _receive_store(session: Session, store: str, stocks: Sequence[OpeningStock], add_rows: AddRows) -> int:
    """Post a store's opening stock once, to its levels without movements; return the number of these levels.

    The idempotency key contains a digest of the slice's rows: a larger slice of the same store is another receipt, for
    the levels that it adds.
    """
    reference = f"complete-journey:opening:{store}"
    content = [(stock.sku, stock.units) for stock in stocks]
    call = _call("opening", f"{reference}:{digests.digest(content).hex()[2:18]}", content)
    if await idempotency.find(session, call) is not None:
        add_rows(len(stocks))
        return 0
    idempotency.record(session, call, answer={"levels": len(stocks)})
    location_id: int = (await locations.by_code(session, [store]))[store]["id"]
    variants = await queries.ids_by_sku(session, [stock.sku for stock in stocks])
    units = {(variants[stock.sku], location_id): stock.units for stock in stocks}
    levels = await levels_by_key(session, list(units))
    untouched = [(key, quantity) for key, quantity in units.items() if key not in levels or not levels[key]["version"]]
    add_rows(len(stocks) - len(untouched))
    for batch in _batches(untouched, BATCH_ROWS):
        await ledger.open_levels(session, [key for key, _ in batch])
        await ledger.post(session, [_receipt(*row) for row in batch], reference=reference, actor=SYSTEM.label)
        add_rows(len(batch))
    return len(untouched)


def _receipt(key: tuple[int, int], units: int) -> Movement:
    variant_id, location_id = key
    return Movement(
        variant_id=variant_id,
        location_id=location_id,
        reason=StockReason.IMPORT,
        quantity=units,
        on_hand=units,
        expected=0,
    )
