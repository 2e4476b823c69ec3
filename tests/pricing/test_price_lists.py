"""Price lists: the narrowest price that is valid now wins."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.support.client import Client
from tests.support.shop import ERRORS, Shop
from uriba.core import clock

UPSERT = f"mutation ($p: [PriceInput!]!) {{ pricesUpsert(prices: $p) {{ count {ERRORS} }} }}"
PRICE = "query ($s: String, $c: String) { variant(sku: $s) { price(channel: $c) { amount currency } } }"
MUG = "MUG"


def at(**later: float) -> str:
    """Return a time relative to now: at(days=-1) is yesterday."""
    return (clock.now() + timedelta(**later)).isoformat()


def row(shop: Shop, amount: str, *, sku: str = MUG, currency: str = "JPY", **given: Any) -> dict[str, Any]:
    """Return the input of a price; `channel` and `location` are names in the shop."""
    named = {key: shop.code(value) if key in ("channel", "location") else value for key, value in given.items()}
    return {"sku": shop.sku(sku), "amount": {"amount": amount, "currency": currency}, **named}


async def upsert(shop: Shop, *rows: dict[str, Any]) -> dict[str, Any]:
    return await shop.staff.mutate(UPSERT, p=list(rows))


def codes(payload: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    return [(error["code"], tuple(error["path"] or ())) for error in payload["errors"]]


async def make_mug(shop: Shop, *prices: dict[str, Any]) -> None:
    """Create a variant with only these prices."""
    mug = {"handle": shop.code("mug"), "name": "Mug", "variants": [{"sku": shop.sku(MUG), "name": "Mug"}]}
    payload = await shop.staff.mutate(
        f"mutation ($p: [ProductInput!]!) {{ productsUpsert(products: $p) {{ count {ERRORS} }} }}", p=[mug]
    )
    assert not payload["errors"]
    if prices:
        assert (await upsert(shop, *prices))["errors"] == []


async def price(client: Client, shop: Shop, channel: str | None = None) -> str | None:
    data = await client.execute(PRICE, s=shop.sku(MUG), c=shop.code(channel) if channel else None)
    found = data["variant"]["price"]
    return found["amount"] if found else None


async def price_events(shop: Shop) -> list[tuple[str, int]]:
    """Return (type, version) of the mug's events."""
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT e.type, e.version FROM outbox_event e JOIN variant v ON e.subject = 'Variant:' || v.id "
            "WHERE v.sku = $1 ORDER BY e.version",
            shop.sku(MUG),
        )
    return [(found["type"], found["version"]) for found in rows]


async def test_the_narrowest_price_wins(shop: Shop) -> None:
    till, seen = await shop.terminal("S1"), []
    await make_mug(shop)

    for given in ({}, {"channel": "stores"}, {"location": "S1"}, {"channel": "stores", "location": "S1"}):
        await upsert(shop, row(shop, f"{100 + len(seen)}", **given))
        seen.append(await price(till, shop))

    assert seen == ["100", "101", "102", "103"]


async def test_the_narrowest_price_wins_in_any_order_of_upserts(shop: Shop) -> None:
    till = await shop.terminal("S1")
    await make_mug(
        shop,
        row(shop, "4", channel="stores", location="S1"),
        row(shop, "3", location="S1"),
        row(shop, "2", channel="stores"),
        row(shop, "1"),
    )

    assert await price(till, shop) == "4"
    assert await price(shop.guest(), shop) == "1"


async def test_a_variant_without_a_price_is_not_sold(shop: Shop) -> None:
    await make_mug(shop, row(shop, "100", channel="web"))

    assert await price(shop.guest("web"), shop) == "100"
    assert await price(shop.guest("app"), shop) is None


async def test_a_locations_prices_are_for_its_own_terminals(shop: Shop) -> None:
    await make_mug(shop, row(shop, "100"), row(shop, "80", location="S1"))
    here, there = await shop.terminal("S1"), await shop.terminal("S2")

    assert await price(here, shop) == "80"
    assert [
        await price(there, shop),
        await price(shop.guest("stores"), shop),
        await price(here, shop, "web"),
        await price(await shop.app("app"), shop),
    ] == ["100"] * 4


async def test_a_till_adds_to_carts_at_its_locations_price(shop: Shop) -> None:
    await make_mug(shop, row(shop, "100"), row(shop, "80", location="S1"))
    await shop.receive(MUG_S1=5)

    cart = await shop.create_cart(await shop.terminal("S1"), MUG=2)

    assert (cart["lines"][0]["unitPrice"]["amount"], cart["total"]["amount"]) == ("80", "160")


async def test_of_two_overlapping_spans_the_one_that_began_later_wins(shop: Shop) -> None:
    await make_mug(
        shop,
        row(shop, "70", channel="web", validFrom=at(days=-2), validTo=at(days=2)),
        row(shop, "60", channel="web", validFrom=at(days=-1), validTo=at(days=1)),
        row(shop, "90", channel="web"),
        row(shop, "50", channel="web", validFrom=at(days=-3)),
    )

    assert await price(shop.guest("web"), shop) == "60"


async def test_a_later_span_never_beats_a_narrower_price(shop: Shop) -> None:
    await make_mug(shop, row(shop, "100", channel="web", validFrom=at(days=-9)), row(shop, "70", validFrom=at(days=-1)))

    assert await price(shop.guest("web"), shop) == "100"


async def test_ignores_spans_that_have_ended_or_not_begun(shop: Shop) -> None:
    await make_mug(
        shop,
        row(shop, "100"),
        row(shop, "10", channel="web", validFrom=at(days=-2), validTo=at(seconds=-1)),
        row(shop, "20", channel="web", validFrom=at(hours=1)),
    )

    assert await price(shop.guest("web"), shop) == "100"


async def test_ignores_prices_in_another_currency(shop: Shop) -> None:
    await make_mug(shop, row(shop, "9.50", currency="USD"), row(shop, "8.50", currency="USD", location="S1"))

    assert await price(shop.guest("web"), shop) is None
    assert await price(await shop.terminal("S1"), shop) is None


async def test_a_channel_has_prices_of_its_own_currency_only(shop: Shop) -> None:
    await make_mug(shop)

    payload = await upsert(shop, row(shop, "9.50", currency="USD", channel="web"), row(shop, "950", channel="app"))

    assert codes(payload) == [("CURRENCY_MISMATCH", ("prices", "0", "amount", "currency"))]
    assert await price(shop.guest("app"), shop) is None


async def test_a_price_is_identified_by_sku_channel_location_and_start(shop: Shop) -> None:
    begin = at(days=-1)
    await make_mug(shop, row(shop, "100", channel="web"), row(shop, "90", channel="web", validFrom=begin))

    await upsert(shop, row(shop, "80", channel="web", validFrom=begin), row(shop, "70", channel="web", location="S1"))

    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT p.amount_minor, p.location_id IS NULL AS everywhere FROM price p "
            "JOIN variant v ON v.id = p.variant_id WHERE v.sku = $1 ORDER BY p.valid_from, p.amount_minor",
            shop.sku(MUG),
        )
    assert [tuple(found.values()) for found in rows] == [(70, False), (100, True), (80, True)]
    assert await price(shop.guest("web"), shop) == "80"


async def test_a_price_can_be_ended(shop: Shop) -> None:
    begin = at(days=-1)
    await make_mug(shop, row(shop, "100", validFrom=begin))

    await upsert(shop, row(shop, "100", validFrom=begin, validTo=at(seconds=-1)))

    assert await price(shop.guest("web"), shop) is None


async def test_only_a_changed_price_emits_an_event_once_per_variant(shop: Shop) -> None:
    prices = [row(shop, "100"), row(shop, "90", channel="web"), row(shop, "80", location="S1")]
    await make_mug(shop, *prices)

    await upsert(shop, *prices)
    first = await price_events(shop)
    await upsert(shop, *prices[:2], row(shop, "79", location="S1"))

    assert first == [("product.changed", 1), ("price.changed", 2)]
    assert await price_events(shop) == [*first, ("price.changed", 3)]


async def test_reports_every_invalid_row_in_order_and_writes_none(shop: Shop) -> None:
    await make_mug(shop)

    payload = await upsert(
        shop,
        row(shop, "100"),
        row(shop, "100", sku="NOTHING"),
        row(shop, "100", channel="nowhere"),
        row(shop, "100", location="nowhere"),
        row(shop, "100", currency="YEN", location="S1"),
        row(shop, "100.5", location="S2"),
        row(shop, "-1", channel="web"),
        row(shop, "1e3", channel="app"),
        row(shop, "1", channel="stores", validFrom=at(), validTo=at(days=-1)),
        row(shop, "200"),
    )

    assert codes(payload) == [
        ("NOT_FOUND", ("prices", "1", "sku")),
        ("NOT_FOUND", ("prices", "2", "channel")),
        ("NOT_FOUND", ("prices", "3", "location")),
        ("INVALID", ("prices", "4", "amount", "currency")),
        ("INVALID", ("prices", "5", "amount", "amount")),
        ("INVALID", ("prices", "6", "amount", "amount")),
        ("INVALID", ("prices", "7", "amount", "amount")),
        ("INVALID", ("prices", "8", "validTo")),
        ("INVALID", ("prices", "9")),
    ]
    assert payload["count"] == 0
    assert await price(shop.guest("web"), shop) is None


async def test_times_without_a_zone_are_utc(shop: Shop) -> None:
    yesterday = datetime.fromisoformat(at(days=-1)).replace(tzinfo=None, microsecond=0).isoformat()
    await make_mug(shop)

    mixed = await upsert(shop, row(shop, "100", validFrom=yesterday, validTo=at(days=1)))
    twice = await upsert(shop, row(shop, "90", validFrom=yesterday), row(shop, "80", validFrom=f"{yesterday}+00:00"))

    assert mixed["errors"] == []
    assert codes(twice) == [("INVALID", ("prices", "1"))]
    assert await price(shop.guest("web"), shop) == "100"


async def test_the_same_time_in_two_zones_is_one_price(shop: Shop) -> None:
    await make_mug(shop)

    payload = await upsert(
        shop,
        row(shop, "100", validFrom="2026-01-01T00:00:00+09:00"),
        row(shop, "90", validFrom="2025-12-31T15:00:00Z"),
    )

    assert codes(payload) == [("INVALID", ("prices", "1"))]


async def test_the_earliest_and_latest_times_are_accepted(shop: Shop) -> None:
    span = {"validFrom": "0001-01-01T00:00:00+10:00", "validTo": "9999-12-31T23:59:59-10:00"}

    await make_mug(shop, row(shop, "100", **span))

    assert await price(shop.guest("web"), shop) == "100"


async def test_refuses_more_than_a_thousand_rows(shop: Shop) -> None:
    payload = await upsert(shop, *[row(shop, "1")] * 1_001)

    assert codes(payload) == [("LIMIT_EXCEEDED", ("prices",))]
