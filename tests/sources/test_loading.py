"""Loading a slice of The Complete Journey: complete, repeatable, and with channels that sell from it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.client import Client
from uriba import invariants
from uriba.access import keys
from uriba.catalog import products
from uriba.catalog.products import ProductRow, VariantRow
from uriba.core.actor import SYSTEM
from uriba.db.statements import statement
from uriba.graphql.examples import EXAMPLES
from uriba.inventory import adjustments
from uriba.inventory.adjustments import Adjustment
from uriba.inventory.enums import StockReason
from uriba.sources import loading
from uriba.sources.complete_journey import CompleteJourney
from uriba.sources.loading import AddRows, LoadResult

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

YEAR = CompleteJourney(stores=3, products=60)


@contextmanager
def no_progress(_stage: str, _rows: int | None) -> Iterator[AddRows]:
    yield lambda _: None


async def load(hub: RunningHub, year: CompleteJourney) -> LoadResult:
    return await loading.load(hub.database, year, progress=no_progress)


async def rows(hub: RunningHub, sql: str, **params: object) -> list[dict[str, Any]]:
    async with hub.database.reading() as session:
        return [dict(row) for row in await session.fetch(statement(sql), **params)]


@pytest.fixture(scope="module")
async def loaded(hub: RunningHub) -> LoadResult:
    return await load(hub, YEAR)


@pytest.fixture(autouse=True)
async def check_invariants(hub: RunningHub, loaded: LoadResult) -> AsyncIterator[None]:
    yield
    broken = [found for found in await invariants.check(hub.database) if found.rows]
    assert not broken, [(found.invariant.name, found.examples) for found in broken]


async def test_loads_all_of_the_slice(hub: RunningHub, loaded: LoadResult) -> None:
    stores = await rows(
        hub, "SELECT name, timezone FROM location WHERE code = ANY(:stores)", stores=[s.code for s in YEAR.stores]
    )
    barcodes = await rows(
        hub, "SELECT barcode FROM variant WHERE sku = ANY(:skus)", skus=[p.sku for p in YEAR.products]
    )
    families = await rows(hub, "SELECT name, loyalty_card FROM customer WHERE loyalty_card LIKE 'CJ%'")
    prices = await rows(
        hub,
        "SELECT v.sku, p.amount_minor, p.currency FROM price p JOIN variant v ON v.id = p.variant_id "
        "WHERE v.sku = ANY(:skus)",
        skus=[price.sku for price in YEAR.prices],
    )

    assert sorted(s["name"] for s in stores) == sorted(store.name for store in YEAR.stores)
    assert {s["timezone"] for s in stores} == {"America/New_York"}
    assert {b["barcode"] for b in barcodes} == {product.barcode for product in YEAR.products}
    assert {f["loyalty_card"] for f in families} == {family.loyalty_card for family in YEAR.households}
    assert {(p["sku"], p["amount_minor"]) for p in prices} == {(p.sku, p.amount_minor) for p in YEAR.prices}
    assert {p["currency"] for p in prices} == {"USD"}
    assert (loaded.stores, loaded.products, loaded.levels) == (3, 60, len(YEAR.opening_stock))


async def test_posts_the_opening_stock_in_one_receipt_for_each_store(hub: RunningHub) -> None:
    levels = await rows(
        hub,
        "SELECT v.sku, o.code, l.on_hand, m.reason, m.reference, m.on_hand_delta FROM stock_level l "
        "JOIN variant v ON v.id = l.variant_id JOIN location o ON o.id = l.location_id "
        "JOIN stock_movement m USING (variant_id, location_id) WHERE o.code = ANY(:stores)",
        stores=[store.code for store in YEAR.stores],
    )

    found = {(level["sku"], level["code"], level["on_hand"]) for level in levels}
    assert found == {(stock.sku, stock.store, stock.units) for stock in YEAR.opening_stock}
    assert all(level["on_hand_delta"] == level["on_hand"] for level in levels)
    assert {(level["reason"], level["reference"]) for level in levels} == {
        ("IMPORT", f"complete-journey:opening:{store.code}") for store in YEAR.stores
    }


async def test_channels_sell_from_the_stores_busiest_first(hub: RunningHub) -> None:
    found = await rows(
        hub,
        "SELECT c.code, c.kind, c.prices_include_tax, c.shipping_price_minor, "
        "array_agg(l.code ORDER BY s.position) AS stores FROM channel c JOIN channel_location s ON s.channel_id = c.id "
        "JOIN location l ON l.id = s.location_id WHERE c.code = ANY('{app,web,stores}') GROUP BY c.id ORDER BY c.code",
    )

    codes = [store.code for store in YEAR.stores]
    assert [tuple(row.values()) for row in found] == [
        ("app", "APP", False, 499, codes),
        ("stores", "STORE", False, 0, codes),
        ("web", "WEB", False, 499, codes),
    ]


async def test_food_is_not_taxed(hub: RunningHub) -> None:
    taxed = await rows(
        hub,
        "SELECT v.sku, t.rate::text FROM variant v JOIN tax_rate t USING (tax_class) "
        "JOIN channel c ON c.id = t.channel_id WHERE v.sku = ANY(:skus) AND c.code = 'stores'",
        skus=[product.sku for product in YEAR.products],
    )

    rates = {row["sku"]: float(row["rate"]) for row in taxed}
    departments = {product.sku: product.department for product in YEAR.products}
    assert len(rates) == 60
    assert {departments[sku] for sku, rate in rates.items() if rate == 0.06} == {"DRUG GM", "SALAD BAR"}
    assert {"GROCERY", "PRODUCE", "MEAT"} <= {departments[sku] for sku, rate in rates.items() if rate == 0}


async def test_loading_again_changes_nothing(hub: RunningHub, loaded: LoadResult) -> None:
    state = """
        SELECT (SELECT count(*) FROM outbox_event) AS events, (SELECT count(*) FROM stock_movement) AS movements,
            (SELECT sum(version) FROM stock_level) AS levels, (SELECT sum(events) FROM variant) AS variants,
            (SELECT count(*) FROM customer) AS customers, (SELECT count(*) FROM price) AS prices
    """
    before = await rows(hub, state)

    again = await load(hub, YEAR)

    assert await rows(hub, state) == before
    assert (again.received, again.levels) == (0, loaded.levels)


async def test_is_loaded_tells_the_slice_from_others(hub: RunningHub) -> None:
    assert await loading.is_loaded(hub.database, CompleteJourney(stores=3, products=60))
    assert not await loading.is_loaded(hub.database, CompleteJourney(stores=3, products=61))


async def test_a_larger_slice_adds_missing_levels_and_skips_those_with_movements(hub: RunningHub) -> None:
    wider = CompleteJourney(stores=3, products=70)
    touched, store = wider.products[65], wider.stores[0].code
    assert (touched.sku, store) in {(stock.sku, stock.store) for stock in wider.opening_stock}
    async with hub.database.transaction() as session:
        variant = VariantRow(touched.sku, touched.name, barcode=touched.barcode)
        await products.upsert(session, [ProductRow(touched.handle, touched.name, [variant])])
        change = Adjustment(touched.sku, store, 7)
        await adjustments.adjust(
            session, actor=SYSTEM, changes=[change], reason=StockReason.RECEIPT, reference="by hand"
        )

    added = await load(hub, wider)

    assert added.received == len(wider.opening_stock) - len(YEAR.opening_stock) - 1
    levels = await rows(
        hub,
        "SELECT v.sku, l.on_hand FROM stock_level l JOIN variant v ON v.id = l.variant_id "
        "JOIN location o ON o.id = l.location_id WHERE o.code = :store",
        store=store,
    )
    expected = {stock.sku: stock.units for stock in wider.opening_stock if stock.store == store} | {touched.sku: 7}
    assert {level["sku"]: level["on_hand"] for level in levels} == expected


async def test_two_concurrent_loads_receive_each_level_once(hub: RunningHub) -> None:
    wider = CompleteJourney(stores=4, products=60)
    known = {store.code for store in YEAR.stores}
    fresh = [stock for stock in wider.opening_stock if stock.store not in known]

    one, other = await asyncio.gather(load(hub, wider), load(hub, CompleteJourney(stores=4, products=60)))

    assert one.received + other.received >= len(fresh) > 0
    store = fresh[0].store
    levels = await rows(
        hub,
        "SELECT v.sku, l.on_hand FROM stock_level l JOIN variant v ON v.id = l.variant_id "
        "JOIN location o ON o.id = l.location_id WHERE o.code = :store",
        store=store,
    )
    assert {level["sku"]: level["on_hand"] for level in levels} == {stock.sku: stock.units for stock in fresh}


@pytest.fixture
async def staff(hub: RunningHub) -> AsyncIterator[Client]:
    async with hub.database.transaction() as session:
        issued = await keys.for_staff(session, name="examples")
    client = hub.client(issued.key)
    yield client
    await client.close()


@pytest.mark.parametrize("name", re.findall(r"^(?:query|mutation) (\w+)", EXAMPLES, re.MULTILINE))
async def test_the_examples_run_unchanged(staff: Client, name: str) -> None:
    response = await staff.http.post(staff.url, json={"query": EXAMPLES, "operationName": name})

    answer = response.json()
    assert "errors" not in answer, answer
    (field,) = answer["data"].values()
    assert not field.get("errors"), field
    assert field.get("edges") or field["cart"]["lines"]


async def test_the_example_subscription_runs_unchanged(staff: Client) -> None:
    (watch,) = re.findall(r"^subscription.*?^}", EXAMPLES, re.MULTILINE | re.DOTALL)

    async with staff.subscribe(watch) as subscription:
        seen = {(await subscription.next())["sku"] for _ in range(2)}

    assert seen == {"CJ-1082185", "CJ-981760"}
