"""Delivery options of a cart, and that a checkout does what they report."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.checkout_calls import (
    cart_to_pick_up,
    cart_to_ship,
    cash,
    choose_methods,
    codes_and_paths,
    fulfilled_units,
    pay,
    set_safety_stock,
)
from tests.support.client import Client, Refused
from tests.support.shop import ADDRESS, ERRORS, Shop

TOKYO = {"latitude": 35.66, "longitude": 139.70}
SAPPORO = {"latitude": 43.07, "longitude": 141.35}

OPTION = "{ location { code } quantity whole readyBy distanceKm }"
SHIPPING = "{ possible quantity parcels sources { location { code } quantity } reason }"
OPTIONS = f"""query ($c: ID!, $near: NearInput) {{ checkoutOptions(cartId: $c, near: $near) {{
    held asOf shippingPrice {{ amount }}
    carryOut {{ quantity whole }} pickup {OPTION} shipping {SHIPPING}
    lines {{
        line {{ variant {{ sku }} }} inStock message
        carryOut {{ quantity whole }} pickup {OPTION} shipping {SHIPPING}
    }}
}} }}"""


async def options(client: Client, cart: dict[str, Any], **near: Any) -> Any:
    return (await client.execute(OPTIONS, c=cart["id"], near=near or None))["checkoutOptions"]


def stores(found: list[dict[str, Any]]) -> list[tuple[str, int, bool]]:
    return [(one["location"]["code"].split("-")[0], one["quantity"], one["whole"]) for one in found]


def sources(shipping: dict[str, Any]) -> dict[str, int]:
    return {one["location"]["code"].split("-")[0]: one["quantity"] for one in shipping["sources"]}


async def update_location(shop: Shop, name: str, **given: Any) -> None:
    """Update a location."""
    row = {"code": shop.code(name), "name": name, "kind": "STORE", "offersPickup": name != "W1", "shipsOrders": True}
    payload = await shop.staff.mutate(
        f"mutation ($l: [LocationInput!]!) {{ locationsUpsert(locations: $l) {{ count {ERRORS} }} }}", l=[row | given]
    )
    assert not payload["errors"], payload


async def set_split_limit(shop: Shop, limit: int | None) -> None:
    """Set the maximum of shipments of an order in the app."""
    row = {
        "code": shop.code("app"),
        "name": "App",
        "kind": "APP",
        "currency": "JPY",
        "locations": [shop.code(name) for name in ("W1", "S1", "S2")],
        "taxRates": [{"taxClass": "standard", "rate": "0.10"}, {"taxClass": "reduced", "rate": "0.08"}],
        "splitLimit": limit,
    }
    payload = await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[row]
    )
    assert not payload["errors"], payload


async def test_a_line_has_pickup_stores_with_stock_and_the_best_shipping_source(shop: Shop) -> None:
    await shop.receive(TEA_W1=9, TEA_S1=1, TEA_S2=5)
    guest = shop.guest("web")

    found = await options(guest, await shop.create_cart(guest, TEA=2))

    (line,) = found["lines"]
    assert stores(line["pickup"]) == [("S1", 1, False), ("S2", 2, True)]
    assert line["shipping"]["possible"]
    assert (line["shipping"]["parcels"], sources(line["shipping"])) == (1, {"W1": 2})
    assert (line["inStock"], line["message"], line["carryOut"], found["carryOut"]) == (True, None, None, None)
    assert (found["held"], found["shippingPrice"]["amount"]) == (False, "500")


async def test_reading_options_holds_no_stock(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, TEA=2)

    await options(guest, cart)

    level = await shop.stock_level("TEA", "S1")
    assert (level["available"], level["reserved"]) == (2, 0)
    assert (await options(guest, cart))["shipping"]["possible"]


async def test_a_cart_can_be_picked_up_at_stores_that_have_all_units(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, TEA_S2=2, POT_S2=1, POT_W1=1)
    guest = shop.guest("app")

    found = await options(guest, await shop.create_cart(guest, TEA=2, POT=1))

    assert stores(found["pickup"]) == [("S2", 3, True)]
    assert [stores(line["pickup"]) for line in found["lines"]] == [
        [("S1", 2, True), ("S2", 2, True)],
        [("S2", 1, True)],
    ]
    assert (found["shipping"]["parcels"], sources(found["shipping"])) == (1, {"S2": 3})


async def test_stores_come_nearest_first_with_their_distance(shop: Shop) -> None:
    await update_location(shop, "S1", **TOKYO)
    await update_location(shop, "S2", **SAPPORO)
    await shop.receive(TEA_S1=1, TEA_S2=1)
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, TEA=1)

    otaru = await options(guest, cart, latitude=43.19, longitude=140.99)
    here = await options(guest, cart, **TOKYO)

    assert stores(otaru["pickup"]) == [("S2", 1, True), ("S1", 1, True)]
    assert [round(one["distanceKm"]) for one in otaru["pickup"]] == [32, 845]
    assert here["pickup"][0]["distanceKm"] == 0
    assert stores(here["pickup"]) == [("S1", 1, True), ("S2", 1, True)]
    assert sources(otaru["shipping"]) == {"S2": 1}


async def test_stores_of_the_region_come_first_without_coordinates(shop: Shop) -> None:
    await update_location(shop, "S2", region="Hokkaido")
    await shop.receive(TEA_S1=1, TEA_S2=1)
    guest = shop.guest("app")

    found = await options(guest, await shop.create_cart(guest, TEA=1), region="hokkaido")

    assert [one["location"]["code"] for one in found["pickup"]] == [shop.code("S2"), shop.code("S1")]
    assert [one["distanceKm"] for one in found["pickup"]] == [None, None]


async def test_a_pickup_is_ready_after_the_stores_own_time(shop: Shop) -> None:
    await update_location(shop, "S1", pickupReadyMinutes=240)
    await shop.receive(TEA_S1=1, TEA_S2=1)
    guest = shop.guest("app")

    found = await options(guest, await shop.create_cart(guest, TEA=1))

    as_of = datetime.fromisoformat(found["asOf"])
    ready = [datetime.fromisoformat(one["readyBy"]) - as_of for one in found["pickup"]]
    assert ready == [timedelta(hours=4), timedelta(hours=1)]


async def test_only_the_tills_carry_out_includes_safety_stock(shop: Shop) -> None:
    await set_safety_stock(shop, "TEA", "S1", on_hand=3, safety_stock=3)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=2, POT=1)

    found = await options(till, cart)

    tea, pot = found["lines"]
    assert tea["carryOut"] == {"quantity": 2, "whole": True}
    assert pot["carryOut"] == {"quantity": 0, "whole": False}
    assert found["carryOut"] == {"quantity": 2, "whole": False}
    assert (stores(tea["pickup"]), tea["shipping"]["possible"], tea["inStock"]) == ([], False, True)


async def test_a_line_that_is_out_of_stock_everywhere_has_a_message(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest = shop.guest("app")

    found = await options(guest, await shop.create_cart(guest, TEA=2, POT=1))

    tea, pot = found["lines"]
    assert (tea["inStock"], tea["shipping"]["reason"]) == (True, "Only 1 of 2 units can be shipped now.")
    assert (pot["inStock"], pot["message"], pot["pickup"]) == (False, "Pot is out of stock everywhere.", [])
    assert (found["pickup"], found["shipping"]["possible"], found["shipping"]["quantity"]) == ([], False, 1)


async def test_an_empty_cart_has_no_shipments_and_no_pickups(shop: Shop) -> None:
    guest = shop.guest("app")

    found = await options(guest, await shop.create_cart(guest))

    assert (found["lines"], found["pickup"], found["shipping"]["parcels"]) == ([], [], 0)


async def test_checkout_does_what_the_options_report(shop: Shop) -> None:
    await update_location(shop, "S2", region="Tokyo")
    await shop.receive(TEA_W1=9, TEA_S2=2, POT_S1=1, POT_S2=1)
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, TEA=2, POT=1)
    cart = (await shop.set_fulfillment(guest, cart, "SHIP", address=ADDRESS | {"region": "Tokyo"}))["cart"]

    found = await options(guest, cart)
    order = (await shop.check_out(guest, cart))["order"]

    assert sources(found["shipping"]) == {"S2": 3}
    assert fulfilled_units(order) == {("SHIP", "S2"): {"TEA": 2, "POT": 1}}


async def test_more_shipments_than_allowed_are_refused_with_the_units_that_fit(shop: Shop) -> None:
    await shop.receive(TEA_W1=2, POT_S1=1, CUP_S2=1)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2, POT=1, CUP=1)
    await set_split_limit(shop, 2)

    found = await options(guest, cart)
    payload = await shop.check_out(guest, cart)

    assert (found["shipping"]["possible"], found["shipping"]["parcels"], found["shipping"]["quantity"]) == (False, 3, 3)
    assert found["shipping"]["reason"] == "This needs 3 shipments, but at most 2 are allowed."
    assert codes_and_paths(payload) == [("OUT_OF_STOCK", ["lines", "2", "quantity"])]
    assert payload["errors"][0]["message"] == (
        "This order needs 3 shipments, but at most 2 are allowed. They can contain 0 of 1 Cup."
    )
    await set_split_limit(shop, 3)
    assert len(fulfilled_units((await shop.check_out(guest, cart))["order"])) == 3


async def test_a_pickup_does_not_count_as_a_shipment(shop: Shop) -> None:
    await set_split_limit(shop, 1)
    await shop.receive(TEA_S1=1, POT_W1=1)
    guest = shop.guest("app")
    cart = await cart_to_pick_up(shop, guest, "S1", TEA=1)
    await shop.add_lines(guest, cart, POT=1)
    await shop.set_fulfillment(guest, cart, "SHIP", lineIds=[], address=ADDRESS)

    payload = await shop.check_out(guest, cart, total="3948")

    assert fulfilled_units(payload["order"]) == {("PICKUP", "S1"): {"TEA": 1}, ("SHIP", "W1"): {"POT": 1}}


async def test_a_store_that_stopped_offering_pickup_is_refused_at_checkout(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest = shop.guest("app")
    cart = await cart_to_pick_up(shop, guest, "S1", TEA=1)
    await update_location(shop, "S1", offersPickup=False)

    payload = await shop.check_out(guest, cart)
    again = await shop.set_fulfillment(guest, cart, "PICKUP", location="S1")

    assert codes_and_paths(payload) == [("INVALID", ["lines", "0", "location"])]
    assert codes_and_paths(again) == [("INVALID", ["location"])]
    assert (await options(guest, cart))["pickup"] == []
    assert (await shop.stock_level("TEA", "S1"))["available"] == 1


async def test_the_location_with_the_least_open_work_ships(shop: Shop) -> None:
    await shop.receive(TEA_W1=9, TEA_S1=9, TEA_S2=9)
    guest = shop.guest("app")

    sent = [(await shop.check_out(guest, await cart_to_ship(shop, guest, TEA=1)))["order"] for _ in range(3)]

    assert [list(fulfilled_units(order)) for order in sent] == [[("SHIP", "W1")], [("SHIP", "S1")], [("SHIP", "S2")]]


async def test_an_order_has_the_reasons_of_its_sourcing(shop: Shop) -> None:
    await shop.receive(TEA_W1=3, TEA_S1=2, POT_S1=1, POT_S2=1, CUP_S1=1)
    guest = shop.guest("app")
    cart = await cart_to_pick_up(shop, guest, "S1", CUP=1)
    cart = (await shop.add_lines(guest, cart, TEA=2, POT=1))["cart"]
    await shop.set_fulfillment(guest, cart, "SHIP", lineIds=[], address=ADDRESS)

    payload = await shop.check_out(guest, cart, total="18178")
    assert not payload["errors"], payload
    order = payload["order"]

    data = await shop.staff.execute(
        "query ($id: ID) { order(id: $id) { fulfillments { method sourcing } } }", id=order["id"]
    )
    sourcing = {one["method"]: one["sourcing"] for one in data["order"]["fulfillments"]}
    w1, s1, s2 = (shop.code(name) for name in ("W1", "S1", "S2"))
    assert sourcing == {
        "PICKUP": {"decidedBy": "STATED_STORE", "rules": []},
        "SHIP": {
            "decidedBy": "FILLS_EVERYTHING",
            "rules": [
                {"rule": "FILLS_EVERYTHING", "ranked": {s1: True, w1: False, s2: False}, "best": 1, "of": 3},
            ],
            "lacked": {w1: {shop.sku("POT"): 1}, s2: {shop.sku("TEA"): 2}},
            "parcel": 1,
            "parcels": 1,
        },
    }


async def test_only_shipped_lines_of_a_till_have_sourcing_reasons(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_W1=1)
    till = await shop.terminal("S1")
    cart = await choose_methods(shop, till, await shop.create_cart(till, TEA=1, POT=1), POT="SHIP")

    order = (await pay(till, cart, cash("3948")))["order"]

    data = await till.execute("query ($id: ID) { order(id: $id) { fulfillments { method sourcing } } }", id=order["id"])
    sourcing = {one["method"]: one["sourcing"] for one in data["order"]["fulfillments"]}
    assert sourcing["CARRY_OUT"] is None
    assert sourcing["SHIP"]["decidedBy"] == "ONLY_LOCATION"


async def test_another_customers_cart_has_no_options(shop: Shop) -> None:
    hana = await shop.customer("HANA")
    cart = await shop.create_cart(hana, TEA=1)

    assert await options(await shop.customer("KEN"), cart) is None
    assert await options(shop.guest("app"), cart) is None
    assert await options(hana, cart) is not None
    assert await options(await shop.terminal(), cart) is not None
    assert await options(hana, {"id": "Q2FydDpub25l"}) is None


async def test_an_ordered_cart_has_no_options(shop: Shop) -> None:
    await shop.receive(TEA_W1=1)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=1)
    await shop.check_out(guest, cart)

    with pytest.raises(Refused) as refused:
        await options(guest, cart)

    assert refused.value.codes == ["CART_NOT_ACTIVE"]


@pytest.mark.parametrize(
    ("near", "argument"),
    [
        ({"latitude": 91, "longitude": 0}, ["near", "latitude"]),
        ({"latitude": 0, "longitude": -180.5}, ["near", "longitude"]),
        ({"latitude": 35}, ["near", "latitude"]),
        ({"region": "x" * 5000}, ["near", "region"]),
    ],
)
async def test_invalid_coordinates_are_refused(shop: Shop, near: dict[str, Any], argument: list[str]) -> None:
    guest = shop.guest("app")

    with pytest.raises(Refused) as refused:
        await options(guest, await shop.create_cart(guest, TEA=1), **near)

    assert refused.value.codes == ["INVALID"]
    assert refused.value.errors[0]["extensions"]["argument"] == argument
