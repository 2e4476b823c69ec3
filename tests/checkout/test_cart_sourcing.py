"""The locations that serve a cart, as customers see them. The pure rules are in `fulfillment/sourcing/`."""

from __future__ import annotations

from tests.support.checkout_calls import (
    cart_to_pick_up,
    cart_to_ship,
    cash,
    choose_methods,
    codes_and_paths,
    fulfilled_units,
    pay,
    stock_quantities,
)
from tests.support.shop import ADDRESS, ERRORS, Shop


async def test_the_first_location_with_all_units_ships_all(shop: Shop) -> None:
    await shop.receive(TEA_W1=5, TEA_S1=5, TEA_S2=5, POT_S1=5, POT_S2=5)
    guest = shop.guest("app")

    order = (await shop.check_out(guest, await cart_to_ship(shop, guest, TEA=2, POT=1)))["order"]

    assert fulfilled_units(order) == {("SHIP", "S1"): {"TEA": 2, "POT": 1}}
    assert await stock_quantities(shop, "TEA", "S1") == (5, 2, 0)
    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 0)


async def test_a_split_order_has_as_few_shipments_as_possible(shop: Shop) -> None:
    await shop.receive(TEA_W1=1, POT_W1=1, TEA_S1=3, POT_S1=1, CUP_S1=1, CUP_S2=2)
    guest = shop.guest("app")

    order = (await shop.check_out(guest, await cart_to_ship(shop, guest, TEA=4, POT=1, CUP=1)))["order"]

    assert fulfilled_units(order) == {("SHIP", "S1"): {"TEA": 3, "POT": 1, "CUP": 1}, ("SHIP", "W1"): {"TEA": 1}}
    assert order["lines"][0]["quantity"] == 4


async def test_a_location_that_does_not_ship_is_not_chosen(shop: Shop) -> None:
    await shop.staff.mutate(
        f"mutation ($l: [LocationInput!]!) {{ locationsUpsert(locations: $l) {{ count {ERRORS} }} }}",
        l=[{"code": shop.code("S1"), "name": "Shibuya", "kind": "STORE", "offersPickup": True}],
    )
    await shop.receive(TEA_S1=5)
    guest = shop.guest("app")

    payload = await shop.check_out(guest, await cart_to_ship(shop, guest, TEA=1))

    assert codes_and_paths(payload) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert payload["errors"][0]["message"] == "Not enough of Tea. Shibuya has 5."


async def test_more_units_than_all_locations_have_are_refused_by_line(shop: Shop) -> None:
    await shop.receive(TEA_W1=1, TEA_S1=1, TEA_S2=1, POT_W1=1)
    guest = shop.guest("app")

    payload = await shop.check_out(guest, await cart_to_ship(shop, guest, POT=1, TEA=4))

    assert codes_and_paths(payload) == [("OUT_OF_STOCK", ["lines", "1", "quantity"])]
    assert [await stock_quantities(shop, "TEA", place) for place in ("W1", "S1", "S2")] == [(1, 0, 0)] * 3


async def test_lines_without_a_chosen_method_are_shipped_on_the_web(shop: Shop) -> None:
    await shop.receive(TEA_W1=1)
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, TEA=1)
    await shop.set_fulfillment(guest, cart, "SHIP", lineIds=[], address=ADDRESS)

    payload = await shop.check_out(guest, cart)

    assert fulfilled_units(payload["order"]) == {("SHIP", "W1"): {"TEA": 1}}


async def test_a_pickup_is_kept_at_its_store(shop: Shop) -> None:
    await shop.receive(TEA_W1=9, TEA_S2=1)
    guest = shop.guest("app")

    order = (await shop.check_out(guest, await cart_to_pick_up(shop, guest, "S2", TEA=1)))["order"]

    assert (order["status"], fulfilled_units(order)) == ("OPEN", {("PICKUP", "S2"): {"TEA": 1}})
    assert [f["status"] for f in order["fulfillments"]] == ["ALLOCATED"]
    assert await stock_quantities(shop, "TEA", "S2") == (1, 1, 0)


async def test_a_pickup_without_stock_is_refused_with_the_location_that_has_some(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest("app")

    payload = await shop.check_out(guest, await cart_to_pick_up(shop, guest, "S2", TEA=1))

    assert codes_and_paths(payload) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert payload["errors"][0]["message"] == "Not enough of Tea. Warehouse has 9."


async def test_lines_of_one_variant_at_one_store_share_its_stock(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    guest = shop.guest("app")
    cart = await cart_to_pick_up(shop, guest, "S1", TEA=2)
    await shop.add_lines(guest, cart, TEA=1)
    await shop.set_fulfillment(guest, cart, "SHIP", lineIds=[], address=ADDRESS)

    payload = await shop.check_out(guest, cart, total="1944")

    assert codes_and_paths(payload) == [("OUT_OF_STOCK", ["lines", "1", "quantity"])]
    assert await stock_quantities(shop, "TEA", "S1") == (2, 0, 0)


async def test_units_of_a_pickup_are_not_shipped_as_well(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, TEA_S2=1)
    guest = shop.guest("app")
    cart = await cart_to_pick_up(shop, guest, "S1", TEA=2)
    await shop.add_lines(guest, cart, TEA=1)
    await shop.set_fulfillment(guest, cart, "SHIP", lineIds=[], address=ADDRESS)

    payload = await shop.check_out(guest, cart, total="1944")

    assert fulfilled_units(payload["order"]) == {("PICKUP", "S1"): {"TEA": 2}, ("SHIP", "S2"): {"TEA": 1}}


async def test_units_carried_out_are_not_shipped_as_well(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, TEA_W1=1)
    till = await shop.terminal("S1")
    cart = await choose_methods(shop, till, await shop.create_cart(till, TEA=1), TEA="SHIP")
    cart = (await shop.add_lines(till, cart, TEA=2))["cart"]

    payload = await pay(till, cart, cash("1944"))

    assert fulfilled_units(payload["order"]) == {("CARRY_OUT", "S1"): {"TEA": 2}, ("SHIP", "W1"): {"TEA": 1}}
    assert await stock_quantities(shop, "TEA", "S1") == (0, 0, 0)


async def test_one_fulfillment_has_all_lines_that_a_location_ships(shop: Shop) -> None:
    await shop.receive(TEA_W1=5, POT_W1=5, CUP_W1=5)
    guest = shop.guest("app")

    order = (await shop.check_out(guest, await cart_to_ship(shop, guest, TEA=1, POT=1, CUP=1)))["order"]

    assert fulfilled_units(order) == {("SHIP", "W1"): {"TEA": 1, "POT": 1, "CUP": 1}}
    assert len(order["fulfillments"]) == 1
