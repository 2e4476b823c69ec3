"""The exported tables: their rows, filters and pages, without personal data."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.export_calls import csv_rows, parquet_table, pick, place_order
from tests.support.shop import Shop
from uriba.core.ids import kind_of
from uriba.exports.tables import TABLES

DOCS = Path(__file__).parents[2] / "docs" / "exports.md"


async def test_products_have_a_row_for_each_variant(shop: Shop) -> None:
    rows = [row for row in await csv_rows(shop.staff, "products") if row["sku"].endswith(shop.suffix)]

    assert [pick(row, "sku", "handle", "name", "category", "tax_class", "discontinued", "barcode") for row in rows] == [
        {
            "sku": shop.sku(name),
            "handle": shop.code(name.lower()),
            "name": name.title(),
            "category": "Kitchen",
            "tax_class": tax,
            "discontinued": "false",
            "barcode": "",
        }
        for name, tax in (("TEA", "reduced"), ("POT", "standard"), ("CUP", "standard"))
    ]
    assert {(kind_of(row["variant_id"]), kind_of(row["product_id"])) for row in rows} == {("Variant", "Product")}


async def test_prices_have_a_row_for_each_price_and_its_span(shop: Shop) -> None:
    until = datetime(2030, 1, 1, tzinfo=UTC)
    await shop.staff.mutate(
        "mutation ($rows: [PriceInput!]!) { pricesUpsert(prices: $rows) { count errors { code } } }",
        rows=[
            {
                "sku": shop.sku("TEA"),
                "location": shop.code("S1"),
                "amount": {"amount": "600", "currency": "JPY"},
                "validFrom": "2029-12-01T00:00:00Z",
                "validTo": until.isoformat(),
            }
        ],
    )

    rows = [row for row in await csv_rows(shop.staff, "prices") if row["sku"] == shop.sku("TEA")]
    of_app = [
        row for row in await csv_rows(shop.staff, "prices", channel=shop.code("app")) if row["sku"] == shop.sku("TEA")
    ]

    names = ("channel", "location", "currency", "price_amount", "valid_from_utc", "valid_until_utc")
    span = ("2029-12-01T00:00:00.000000+00:00", "2030-01-01T00:00:00.000000+00:00")
    local = ("", shop.code("S1"), "JPY", "600", *span)
    found = {tuple(pick(row, *names).values()) for row in rows}
    assert local in found
    assert {row[:4] for row in found - {local}} >= {(shop.code(c), "", "JPY", "648") for c in ("app", "web")}
    assert {row["channel"] for row in of_app} == {shop.code("app"), ""}
    assert len({row["version"] for row in rows}) == 1


async def test_an_unlimited_price_has_no_time_span(shop: Shop) -> None:
    """Its limits at the ends of the calendar do not exist in other time zones."""
    row = {"sku": shop.sku("TEA"), "location": shop.code("S1"), "amount": {"amount": "600", "currency": "JPY"}}
    span = {"validFrom": "0001-01-01T00:00:00+10:00", "validTo": "9999-12-31T23:59:59-10:00"}
    payload = await shop.staff.mutate(
        "mutation ($rows: [PriceInput!]!) { pricesUpsert(prices: $rows) { count errors { code } } }", rows=[row | span]
    )

    (found,) = [row for row in await csv_rows(shop.staff, "prices") if row["location"] == shop.code("S1")]
    whole = await parquet_table(shop.staff, "prices")

    assert not payload["errors"]
    assert pick(found, "valid_from_utc", "valid_until_utc") == {"valid_from_utc": "", "valid_until_utc": ""}
    assert shop.code("S1") in whole.column("location").to_pylist()


async def test_stock_has_a_row_for_each_level_of_a_location(shop: Shop) -> None:
    await shop.receive(TEA_S1=10, POT_S1=3, TEA_S2=7)
    await place_order(shop, shop.guest(), TEA=2)
    level = await shop.stock_level("TEA", "S1")

    rows = await csv_rows(shop.staff, "stock", location=shop.code("S1"))

    assert [row["sku"] for row in rows] == [shop.sku("TEA"), shop.sku("POT")]
    assert {row["location"] for row in rows} == {shop.code("S1")}
    tea = rows[0]
    assert tea["stock_level_id"] == level["id"]
    assert {name: int(value) for name, value in tea.items() if name.endswith("_units")} == {
        "on_hand_units": level["onHand"],
        "committed_units": level["committed"],
        "reserved_units": level["reserved"],
        "unavailable_units": level["unavailable"],
        "safety_stock_units": level["safetyStock"],
        "available_units": level["available"],
        "incoming_units": level["incoming"],
        "shortage_units": level["shortage"],
    }
    assert tea["on_hand_units"] == "10" and tea["counted_at_utc"] == ""
    assert datetime.fromisoformat(tea["updated_at_utc"]).utcoffset() == timedelta(0)


async def test_stock_of_all_locations_has_each_level_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=10, TEA_S2=7, POT_S2=1)

    rows = [row for row in await csv_rows(shop.staff, "stock") if row["sku"].endswith(shop.suffix)]

    found = sorted((row["sku"], row["location"], row["on_hand_units"]) for row in rows)
    assert found == sorted(
        (shop.sku(sku), shop.code(place), units)
        for sku, place, units in (("TEA", "S1", "10"), ("TEA", "S2", "7"), ("POT", "S2", "1"))
    )


async def test_orders_have_a_row_for_each_line_and_the_customers_id_only(shop: Shop) -> None:
    await shop.receive(TEA_W1=10, POT_W1=3)
    customer = await shop.customer()
    order = await place_order(shop, customer, TEA=2, POT=1)
    me = (await customer.execute("{ me { id } }"))["me"]["id"]

    rows = await csv_rows(shop.staff, "orders", channel=shop.code("app"))

    names = ("order_id", "order_number", "line_id", "sku", "ordered_units", "unit_price_amount", "total_amount")
    assert [pick(row, *names) for row in rows] == [
        {
            "order_id": order["id"],
            "order_number": order["number"],
            "line_id": line["id"],
            "sku": line["sku"],
            "ordered_units": str(line["quantity"]),
            "unit_price_amount": line["unitPrice"]["amount"],
            "total_amount": line["total"]["amount"],
        }
        for line in order["lines"]
    ]
    assert [row["tax_rate"] for row in rows] == ["0.08", "0.1"]
    assert {(row["customer_id"], row["currency"], row["channel"]) for row in rows} == {(me, "JPY", shop.code("app"))}
    sums = ("order_shipping_amount", "order_tax_amount", "order_total_amount", "order_refunded_amount")
    expected = [order[name]["amount"] for name in ("shipping", "tax", "total")]
    assert [list(pick(row, *sums).values()) for row in rows] == [[*expected, "0"]] * 2
    exported = " ".join(value for row in rows for value in row.values())
    assert [personal for personal in ("Hana", "hana@", "Jingumae", "150-0001") if personal in exported] == []


async def test_orders_of_guests_have_no_customer(shop: Shop) -> None:
    await shop.receive(TEA_W1=10)
    await place_order(shop, shop.guest("app"), TEA=1)

    assert [row["customer_id"] for row in await csv_rows(shop.staff, "orders", channel=shop.code("app"))] == [""]


async def test_orders_are_filtered_by_channel_and_time(shop: Shop) -> None:
    await shop.receive(TEA_W1=10)
    first = await place_order(shop, shop.guest("app"), TEA=1)
    await place_order(shop, shop.guest("web"), TEA=1)
    second = await place_order(shop, shop.guest("app"), TEA=1)
    channel = shop.code("app")
    both = await csv_rows(shop.staff, "orders", channel=channel)
    placed = both[1]["placed_at_utc"]

    since = await csv_rows(shop.staff, "orders", channel=channel, since=placed)
    until = await csv_rows(shop.staff, "orders", channel=channel, until=placed.removesuffix("+00:00"))

    assert [row["order_number"] for row in both] == [first["number"], second["number"]]
    assert [row["order_number"] for row in since] == [second["number"]]
    assert [row["order_number"] for row in until] == [first["number"]]


async def test_pages_have_every_row_once(shop: Shop, monkeypatch: Any) -> None:
    await shop.receive(TEA_W1=10, POT_W1=10, TEA_S1=1, POT_S1=1, CUP_S1=1)
    for _ in range(3):
        await place_order(shop, shop.guest("app"), TEA=1, POT=1)
    filters = {
        "orders": {"channel": shop.code("app")},
        "stock": {"location": shop.code("S1")},
        "products": dict[str, str](),
        "prices": {"channel": shop.code("app")},
    }
    whole = {subject: await csv_rows(shop.staff, subject, **given) for subject, given in filters.items()}

    monkeypatch.setattr("uriba.exports.tables.ROWS_MAX", 2)
    monkeypatch.setattr("uriba.exports.tables.ORDERS_MAX", 2)

    assert [len(whole[subject]) for subject in ("orders", "stock")] == [6, 3]
    assert whole == {subject: await csv_rows(shop.staff, subject, **given) for subject, given in filters.items()}


def test_the_documentation_names_each_column() -> None:
    page = DOCS.read_text()

    for subject, table in TABLES.items():
        section = page.split(f"### {subject}")[1].split("###")[0]
        assert re.findall(r"^\| `(\w+)`", section, re.M) == [column.name for column in table.columns]
