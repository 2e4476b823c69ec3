"""Loading the year: master data and opening stock, through the functions that the API calls.

Every batch is one transaction and harmless to repeat: what is the same already changes nothing, and a store's opening
receipt is booked once, on empty levels only. An interrupted load is finished by loading again.

A hub's three channels sell from the stores of the slice that was loaded last. As usual in the US, prices exclude tax.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, TypeVar

from uriba.catalog import channels, locations, products, queries
from uriba.catalog.channels import ChannelRow, Rate
from uriba.catalog.locations import LocationRow
from uriba.catalog.models import ChannelKind, LocationKind
from uriba.catalog.products import ProductRow, VariantRow
from uriba.core.actor import SYSTEM
from uriba.core.money import to_decimal
from uriba.customers import customers
from uriba.customers.customers import CustomerRow
from uriba.db import Database, Session, idempotency
from uriba.db.idempotency import Claim
from uriba.inventory import ledger
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason
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
TAX_RATES = (Rate("standard", "0.06"), Rate("reduced", "0"))
BATCH_ROWS = 1_000
STORES_AT_ONCE = 4
"""Their levels are never the same, so that receipts do not wait for each other."""

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
"""Departments of food to take home, which most US states do not tax: all that they sell is taxed as reduced (0 %),
and everything else as standard (6 %). Plain on purpose: the detergent in GROCERY goes untaxed."""

Given = TypeVar("Given")
ReportRows = Callable[[int], None]


class ProgressReporter(Protocol):
    """Who looks on: a stage begins with its number of rows (None: not known yet), and hears of rows as they stand."""

    def __call__(self, stage: str, rows: int | None, /) -> AbstractContextManager[ReportRows]: ...


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a slice holds, in rows; `received` are the levels that got their opening stock this time."""

    stores: int
    articles: int
    households: int
    levels: int
    received: int


async def load(
    database: Database, year: CompleteJourney, *, watch: ProgressReporter, coupons: bool = True
) -> LoadResult:
    """Load a slice of the year, or what is missing of it; its campaigns' coupons unless nobody wants them."""
    with watch("reading the year", None) as count:
        count(await asyncio.to_thread(_read, year))
    places = [_location(store) for store in year.stores]
    await _in_batches(database, places, locations.upsert, watch, "stores")
    await _in_batches(database, _channels(year.stores), channels.upsert, watch, "channels")
    await _in_batches(database, [_product(article) for article in year.articles], products.upsert, watch, "articles")
    priced = [PriceRow(price.sku, to_decimal(price.amount_minor, CURRENCY), CURRENCY) for price in year.prices]
    await _in_batches(database, priced, prices.upsert, watch, "prices")
    if coupons:
        await _load_coupons(database, year, watch)
    families = [CustomerRow(loyalty_card=family.loyalty_card, name=family.name) for family in year.households]
    await _in_batches(database, families, customers.upsert, watch, "households")
    received = await _receive(database, year.opening, watch)
    await _relay(database, watch)
    loaded = LoadResult(len(year.stores), len(year.articles), len(families), len(year.opening), received)
    await _mark(database, year, loaded)
    return loaded


async def _load_coupons(database: Database, year: CompleteJourney, watch: ProgressReporter) -> None:
    """The campaigns' coupons, each a promotion with its code."""
    offered = CampaignCoupons(year)
    promotions = await asyncio.to_thread(lambda: list(offered.promotions()))
    with watch("promotions", len(promotions)) as count:
        for batch in _with_goods(promotions):
            async with database.transaction() as session:
                await promotion_setup.upsert(session, batch)
            count(len(batch))
    await _in_batches(database, list(offered.codes()), upsert_coupons, watch, "coupons")


def _with_goods(promotions: Sequence[PromotionInput]) -> Iterator[list[PromotionInput]]:
    """Batches that name as many goods as one call may."""
    batch: list[PromotionInput] = []
    for promotion in promotions:
        named = sum(len(row.items.skus) for row in [*batch, promotion])
        if batch and (named > promotion_setup.SKUS_OF_CALL_MAX or len(batch) == BATCH_ROWS):
            yield batch
            batch = []
        batch.append(promotion)
    if batch:
        yield batch


def _read(year: CompleteJourney) -> int:
    """Have all of the slice in memory; how many rows it is."""
    parts = (year.stores, year.articles, year.prices, year.opening, year.households)
    return sum(len(part) for part in parts)


async def is_loaded(database: Database, year: CompleteJourney) -> bool:
    """Whether this very slice was loaded before and is what the channels sell from; looks at no source."""
    async with database.reading() as session:
        answer = await idempotency.earlier(session, _claim("load", year.name, year.name))
        known = await channels.by_code(session, ["app"])
        if answer is None or not known:
            return False
        app = known["app"]["id"]
        return len((await locations.by_channel(session, [app]))[app]) == int(answer["stores"])


async def _mark(database: Database, year: CompleteJourney, loaded: LoadResult) -> None:
    async with database.transaction() as session:
        await idempotency.begin(session, _claim("load", year.name, year.name), answer={"stores": loaded.stores})


def _claim(operation: str, key: str, content: object) -> Claim:
    return Claim.of(caller=CALLER, operation=operation, key=key, content=content)


async def _in_batches(
    database: Database,
    rows: Sequence[Given],
    upsert: Callable[[Session, Sequence[Given]], Awaitable[int]],
    watch: ProgressReporter,
    stage: str,
) -> None:
    with watch(stage, len(rows)) as count:
        for batch in _batches(rows, BATCH_ROWS):
            async with database.transaction() as session:
                await upsert(session, batch)
            count(len(batch))


def _batches(rows: Sequence[Given], size: int) -> Iterator[Sequence[Given]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _location(store: Store) -> LocationRow:
    return LocationRow(
        store.code, store.name, LocationKind.STORE, timezone=ZONE.key, offers_pickup=True, ships_orders=True
    )


def _channels(stores: Sequence[Store]) -> list[ChannelRow]:
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


def _product(article: Product) -> ProductRow:
    tax_class = "reduced" if article.department in FOOD_DEPARTMENTS else "standard"
    variant = VariantRow(article.sku, article.name, barcode=article.barcode, tax_class=tax_class)
    return ProductRow(
        article.handle,
        article.name,
        [variant],
        description=article.description,
        brand=article.brand,
        category=article.category,
    )


async def _receive(database: Database, opening: Sequence[OpeningStock], watch: ProgressReporter) -> int:
    """Each store's opening receipt; how many levels had none yet."""
    turns = asyncio.Semaphore(STORES_AT_ONCE)

    async def receive(store: str, stocks: Sequence[OpeningStock]) -> int:
        async with turns, database.transaction() as session:
            return await _receive_store(session, store, stocks, count)

    with watch("stock levels", len(opening)) as count:
        async with asyncio.TaskGroup() as tasks:
            stores = groupby(opening, key=lambda stock: stock.store)
            receipts = [tasks.create_task(receive(store, list(stocks))) for store, stocks in stores]
    return sum(receipt.result() for receipt in receipts)


async def _receive_store(session: Session, store: str, stocks: Sequence[OpeningStock], count: ReportRows) -> int:
    """Book a store's opening stock once, in one transaction, on the levels that nobody has touched.

    The key carries the slice's rows: a wider slice of the same store is another receipt, for the levels it adds.
    """
    reference = f"complete-journey:opening:{store}"
    claim = _claim("opening", reference, [(stock.sku, stock.units) for stock in stocks])
    claim = Claim(claim.caller, claim.operation, f"{reference}:{claim.digest.hex()[:16]}", claim.digest)
    if await idempotency.begin(session, claim, answer={"levels": len(stocks)}) is not None:
        count(len(stocks))
        return 0
    location_id: int = (await locations.by_code(session, [store]))[store]["id"]
    variants = await queries.ids_by_sku(session, [stock.sku for stock in stocks])
    units = {(variants[stock.sku], location_id): stock.units for stock in stocks}
    known = await levels_by_key(session, list(units))
    fresh = [(key, quantity) for key, quantity in units.items() if key not in known or not known[key]["version"]]
    count(len(stocks) - len(fresh))
    for batch in _batches(fresh, BATCH_ROWS):
        await ledger.open_levels(session, [key for key, _ in batch])
        await ledger.post(session, [_receipt(*row) for row in batch], reference=reference, actor=SYSTEM.label)
        count(len(batch))
    return len(fresh)


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


async def _relay(database: Database, watch: ProgressReporter) -> None:
    """Give the load's events their place in the feed now: a worker that starts later begins without a backlog."""
    async with database.reading() as session:
        waiting = await relay.waiting(session)
    with watch("events", waiting) as count:
        while numbered := (await relay.number(database))[0]:
            count(numbered)
