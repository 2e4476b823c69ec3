"""Which location sends what, as customers see it; the pure rules are in `fulfillment/sourcing.py`."""

from __future__ import annotations

from paying import buckets, cash, parcels, pay, picked_up, shipped, told, ways

from shop import ADDRESS, ERRORS, Shop


async def test_the_channels_best_location_that_has_everything_sends_all(shop: Shop) -> None:
    await shop.receive(TEA_W1=5, TEA_S1=5, TEA_S2=5, POT_S1=5, POT_S2=5)
    guest = shop.guest("app")

    order = (await shop.check_out(guest, await shipped(shop, guest, TEA=2, POT=1)))["order"]

    assert parcels(order) == {("SHIP", "S1"): {"TEA": 2, "POT": 1}}
    assert await buckets(shop, "TEA", "S1") == (5, 2, 0)
    assert await buckets(shop, "TEA", "W1") == (5, 0, 0)


async def test_where_no_location_has_everything_parcels_are_few(shop: Shop) -> None:
    await shop.receive(TEA_W1=1, POT_W1=1, TEA_S1=3, POT_S1=1, CUP_S1=1, CUP_S2=2)
    guest = shop.guest("app")

    order = (await shop.check_out(guest, await shipped(shop, guest, TEA=4, POT=1, CUP=1)))["order"]

    assert parcels(order) == {("SHIP", "S1"): {"TEA": 3, "POT": 1, "CUP": 1}, ("SHIP", "W1"): {"TEA": 1}}
    assert order["lines"][0]["quantity"] == 4


async def test_a_location_that_does_not_ship_sends_nothing(shop: Shop) -> None:
    await shop.staff.do(
        f"mutation ($l: [LocationInput!]!) {{ locationsUpsert(locations: $l) {{ count {ERRORS} }} }}",
        l=[{"code": shop.code("S1"), "name": "Shibuya", "kind": "STORE", "offersPickup": True}],
    )
    await shop.receive(TEA_S1=5)
    guest = shop.guest("app")

    payload = await shop.check_out(guest, await shipped(shop, guest, TEA=1))

    assert told(payload) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert payload["errors"][0]["message"] == "Not enough of Tea. Shibuya has 5."


async def test_more_than_all_locations_have_is_refused_for_that_line(shop: Shop) -> None:
    await shop.receive(TEA_W1=1, TEA_S1=1, TEA_S2=1, POT_W1=1)
    guest = shop.guest("app")

    payload = await shop.check_out(guest, await shipped(shop, guest, POT=1, TEA=4))

    assert told(payload) == [("OUT_OF_STOCK", ["lines", "1", "quantity"])]
    assert [await buckets(shop, "TEA", place) for place in ("W1", "S1", "S2")] == [(1, 0, 0)] * 3


async def test_lines_that_nobody_chose_a_way_for_are_shipped_on_the_web(shop: Shop) -> None:
    await shop.receive(TEA_W1=1)
    guest = shop.guest("app")
    cart = await shop.cart(guest, TEA=1)
    await shop.fulfil(guest, cart, "SHIP", lineIds=[], address=ADDRESS)

    payload = await shop.check_out(guest, cart)

    assert parcels(payload["order"]) == {("SHIP", "W1"): {"TEA": 1}}


async def test_a_pickup_is_kept_at_its_store(shop: Shop) -> None:
    await shop.receive(TEA_W1=9, TEA_S2=1)
    guest = shop.guest("app")

    order = (await shop.check_out(guest, await picked_up(shop, guest, "S2", TEA=1)))["order"]

    assert (order["status"], parcels(order)) == ("OPEN", {("PICKUP", "S2"): {"TEA": 1}})
    assert [f["status"] for f in order["fulfillments"]] == ["ALLOCATED"]
    assert await buckets(shop, "TEA", "S2") == (1, 1, 0)


async def test_a_pickup_is_not_served_from_elsewhere_but_told_where_there_is_some(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest("app")

    payload = await shop.check_out(guest, await picked_up(shop, guest, "S2", TEA=1))

    assert told(payload) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert payload["errors"][0]["message"] == "Not enough of Tea. Warehouse has 9."


async def test_lines_of_one_variant_at_one_store_share_its_stock(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    guest = shop.guest("app")
    cart = await picked_up(shop, guest, "S1", TEA=2)
    await shop.add(guest, cart, TEA=1)
    await shop.fulfil(guest, cart, "SHIP", lineIds=[], address=ADDRESS)

    payload = await shop.check_out(guest, cart, total="1944")

    assert told(payload) == [("OUT_OF_STOCK", ["lines", "1", "quantity"])]
    assert await buckets(shop, "TEA", "S1") == (2, 0, 0)


async def test_what_is_picked_up_here_is_not_shipped_from_here_too(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, TEA_S2=1)
    guest = shop.guest("app")
    cart = await picked_up(shop, guest, "S1", TEA=2)
    await shop.add(guest, cart, TEA=1)
    await shop.fulfil(guest, cart, "SHIP", lineIds=[], address=ADDRESS)

    payload = await shop.check_out(guest, cart, total="1944")

    assert parcels(payload["order"]) == {("PICKUP", "S1"): {"TEA": 2}, ("SHIP", "S2"): {"TEA": 1}}


async def test_what_is_carried_out_is_not_shipped_from_here_too(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, TEA_W1=1)
    till = await shop.terminal("S1")
    cart = await ways(shop, till, await shop.cart(till, TEA=1), TEA="SHIP")
    cart = (await shop.add(till, cart, TEA=2))["cart"]

    payload = await pay(till, cart, cash("1944"))

    assert parcels(payload["order"]) == {("CARRY_OUT", "S1"): {"TEA": 2}, ("SHIP", "W1"): {"TEA": 1}}
    assert await buckets(shop, "TEA", "S1") == (0, 0, 0)


async def test_one_parcel_holds_all_that_a_location_sends(shop: Shop) -> None:
    await shop.receive(TEA_W1=5, POT_W1=5, CUP_W1=5)
    guest = shop.guest("app")

    order = (await shop.check_out(guest, await shipped(shop, guest, TEA=1, POT=1, CUP=1)))["order"]

    assert parcels(order) == {("SHIP", "W1"): {"TEA": 1, "POT": 1, "CUP": 1}}
    assert len(order["fulfillments"]) == 1
