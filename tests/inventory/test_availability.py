"""Availability: what a channel may promise."""

from __future__ import annotations

from typing import Any

from tests.support.shop import ERRORS, Shop
from tests.support.stock_calls import adjust_stock, place_pickup_order, set_stock
from uriba.core.ids import local_id

AVAILABILITY = """query ($s: String, $c: String, $n: Int) { variant(sku: $s) { availability(channel: $c) {
    status quantity pickup(first: $n) { location { code } quantity status } } } }"""


async def promised(shop: Shop, sku: str = "TEA", channel: str = "web", **given: Any) -> dict[str, Any]:
    data = await shop.guest(None).execute(AVAILABILITY, s=shop.sku(sku), c=shop.code(channel), **given)
    return data["variant"]["availability"]  # type: ignore[no-any-return]


def places(shop: Shop, availability: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(row["location"]["code"], row["quantity"], row["status"]) for row in availability["pickup"]]


async def test_availability_is_the_sum_over_the_channels_locations(shop: Shop) -> None:
    await shop.receive(TEA_S1=4, TEA_S2=3, TEA_W1=10)

    found = await promised(shop)

    assert (found["status"], found["quantity"]) == ("IN_STOCK", 17)


async def test_a_location_below_zero_counts_as_zero(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, TEA_S2=3)
    await place_pickup_order(shop, "TEA", 5)
    await adjust_stock(shop, ("TEA", "S1", -4))

    found = await promised(shop)

    assert (await shop.stock_level("TEA", "S1"))["available"] == -4
    assert found["quantity"] == 3
    assert places(shop, found) == [(shop.code("S2"), 3, "LOW_STOCK")]


async def test_safety_stock_is_not_available(shop: Shop) -> None:
    await set_stock(shop, ("TEA", "S1", {"onHand": 8, "safetyStock": 6}))

    found = await promised(shop)

    assert (found["status"], found["quantity"]) == ("LOW_STOCK", 2)


async def test_five_units_are_low_stock_and_zero_is_out_of_stock(shop: Shop) -> None:
    seen = []
    for delta in (6, -1, -4, -1):
        await adjust_stock(shop, ("TEA", "S1", delta))
        found = await promised(shop)
        seen.append((found["quantity"], found["status"]))

    assert seen == [(6, "IN_STOCK"), (5, "LOW_STOCK"), (1, "LOW_STOCK"), (0, "OUT_OF_STOCK")]
    assert (await promised(shop, "POT"))["status"] == "OUT_OF_STOCK"


async def test_pickup_lists_stores_with_stock_that_offer_it_best_first(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, TEA_S2=9, TEA_W1=50, POT_S2=2)

    tea, pot, one = await promised(shop), await promised(shop, "POT"), await promised(shop, n=1)

    assert places(shop, tea) == [(shop.code("S1"), 1, "LOW_STOCK"), (shop.code("S2"), 9, "IN_STOCK")]
    assert places(shop, pot) == [(shop.code("S2"), 2, "LOW_STOCK")]
    assert places(shop, one) == [(shop.code("S1"), 1, "LOW_STOCK")]


async def test_a_channel_sells_from_its_own_locations_in_its_own_order(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, TEA_S2=9, TEA_W1=50)
    outlet = {
        "code": shop.code("outlet"),
        "name": "Outlet",
        "kind": "WEB",
        "currency": "JPY",
        "locations": [shop.code("S2"), shop.code("S1")],
        "taxRates": [],
    }
    await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[outlet]
    )

    found = await promised(shop, channel="outlet")

    assert found["quantity"] == 10
    assert [code for code, _, _ in places(shop, found)] == [shop.code("S2"), shop.code("S1")]


async def test_one_query_returns_the_availability_of_two_channels(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, TEA_W1=50)
    await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}",
        c=[
            {
                "code": shop.code("kiosk"),
                "name": "Kiosk",
                "kind": "MARKETPLACE",
                "currency": "JPY",
                "locations": [shop.code("S1")],
                "taxRates": [],
            }
        ],
    )

    data = await shop.guest(None).execute(
        "query ($s: String, $a: String, $b: String) { variant(sku: $s) { "
        "web: availability(channel: $a) { quantity } kiosk: availability(channel: $b) { quantity } } }",
        s=shop.sku("TEA"),
        a=shop.code("web"),
        b=shop.code("kiosk"),
    )

    assert (data["variant"]["web"]["quantity"], data["variant"]["kiosk"]["quantity"]) == (51, 1)


async def test_an_unknown_channel_is_not_found(shop: Shop) -> None:
    answer = await shop.guest(None).post(AVAILABILITY, s=shop.sku("TEA"), c="nowhere")

    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_level_can_be_read_by_its_global_id(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    level = await shop.stock_level("TEA", "S1")

    found = await shop.staff.execute("query ($i: ID!) { node(id: $i) { ... on StockLevel { onHand } } }", i=level["id"])
    hidden = await shop.guest().execute("query ($i: ID!) { node(id: $i) { id } }", i=level["id"])

    assert local_id(level["id"], "StockLevel") is not None
    assert found == {"node": {"onHand": 3}}
    assert hidden == {"node": None}
