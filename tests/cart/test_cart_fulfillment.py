"""cartFulfillment: how lines reach the customer."""

from __future__ import annotations

import pytest

from tests.support import cart_calls
from tests.support.shop import ADDRESS, ERRORS, Shop


async def test_all_lines_are_picked_up_at_a_store(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1, POT=1)

    payload = await shop.set_fulfillment(guest, cart, "PICKUP", location="S2")

    assert cart_calls.methods(payload["cart"]) == {"TEA": "PICKUP", "POT": "PICKUP"}
    assert {line["location"]["code"] for line in payload["cart"]["lines"]} == {shop.code("S2")}
    assert payload["cart"]["version"] == cart["version"] + 1


async def test_picked_up_lines_cost_no_shipping(shop: Shop) -> None:
    guest = shop.guest("web")
    cart = await shop.create_cart(guest, TEA=1)

    payload = await shop.set_fulfillment(guest, cart, "PICKUP", location="S2")

    assert (cart["shipping"]["amount"], cart["total"]["amount"]) == ("500", "1148")
    assert (payload["cart"]["shipping"]["amount"], payload["cart"]["total"]["amount"]) == ("0", "648")


async def test_lines_can_have_different_methods(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1, POT=1)

    payload = await shop.set_fulfillment(
        guest, cart, "PICKUP", location="S1", lineIds=[cart_calls.line(cart, "TEA")["id"]]
    )

    assert cart_calls.methods(payload["cart"]) == {"TEA": "PICKUP", "POT": "SHIP"}


async def test_lines_with_the_same_method_are_merged(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    await shop.set_fulfillment(guest, cart, "PICKUP", location="S1")
    two = (await shop.add_lines(guest, cart, TEA=2))["cart"]

    payload = await shop.set_fulfillment(guest, cart, "PICKUP", location="S1")

    assert sorted((line["method"], line["quantity"]) for line in two["lines"]) == [("PICKUP", 1), ("SHIP", 2)]
    assert [(line["method"], line["quantity"]) for line in payload["cart"]["lines"]] == [("PICKUP", 3)]


async def test_pickups_at_two_stores_are_two_lines(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    await shop.set_fulfillment(guest, cart, "PICKUP", location="S1")
    added = (await shop.add_lines(guest, cart, TEA=2))["cart"]
    shipped = next(line["id"] for line in added["lines"] if line["method"] == "SHIP")

    payload = await shop.set_fulfillment(guest, cart, "PICKUP", location="S2", lineIds=[shipped])

    assert sorted((line["location"]["code"], line["quantity"]) for line in payload["cart"]["lines"]) == [
        (shop.code("S1"), 1),
        (shop.code("S2"), 2),
    ]


async def test_a_warehouse_offers_no_pickup(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)

    payload = await shop.set_fulfillment(guest, cart, "PICKUP", location="W1")

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["location"])]
    assert await cart_calls.read(guest, cart) == cart


async def test_an_unknown_store_is_not_found(shop: Shop) -> None:
    guest = shop.guest()

    payload = await shop.set_fulfillment(guest, await shop.create_cart(guest, TEA=1), "PICKUP", location="S9")

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["location"])]


async def test_a_store_that_the_channel_does_not_sell_from_offers_no_pickup(shop: Shop) -> None:
    store = {"code": shop.code("S3"), "name": "Naha", "kind": "STORE", "offersPickup": True}
    await shop.staff.mutate(
        f"mutation ($l: [LocationInput!]!) {{ locationsUpsert(locations: $l) {{ count {ERRORS} }} }}", l=[store]
    )
    guest = shop.guest()

    payload = await shop.set_fulfillment(guest, await shop.create_cart(guest, TEA=1), "PICKUP", location="S3")

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["location"])]


async def test_a_pickup_needs_a_store(shop: Shop) -> None:
    guest = shop.guest()

    payload = await shop.set_fulfillment(guest, await shop.create_cart(guest, TEA=1), "PICKUP")

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["location"])]


async def test_goods_are_carried_out_from_a_till_only(shop: Shop) -> None:
    guest, till = shop.guest(), await shop.terminal("S2")
    cart = await shop.create_cart(guest, TEA=1)

    refused = await shop.set_fulfillment(guest, cart, "CARRY_OUT")
    chosen = await shop.set_fulfillment(till, cart, "CARRY_OUT")

    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("INVALID", ["method"])]
    assert cart_calls.line(chosen["cart"], "TEA")["location"]["code"] == shop.code("S2")


async def test_a_line_of_another_cart_is_not_found(shop: Shop) -> None:
    guest = shop.guest()
    cart, other = await shop.create_cart(guest, TEA=1), await shop.create_cart(guest, TEA=1)
    ids = [cart["lines"][0]["id"], other["lines"][0]["id"]]

    payload = await shop.set_fulfillment(guest, cart, "PICKUP", location="S1", lineIds=ids)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["lineIds", "1"])]
    assert await cart_calls.read(guest, cart) == cart


async def test_an_address_is_kept_for_what_is_shipped(shop: Shop) -> None:
    await shop.receive(TEA_W1=1)
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, TEA=1)

    before = await shop.check_out(guest, cart)
    payload = await shop.set_fulfillment(
        guest, cart, "SHIP", address=ADDRESS | {"country": "jp", "name": "  Hana Sato "}
    )
    after = await shop.check_out(guest, payload["cart"])

    assert [(e["code"], e["path"]) for e in before["errors"]] == [("INVALID", ["address"])]
    assert after["errors"] == []
    async with shop.hub.database.reading() as session:
        kept = await session.fetchval("SELECT address FROM orders WHERE number = $1", after["order"]["number"])
    assert (kept["country"], kept["name"], kept["postalCode"]) == ("JP", "Hana Sato", "150-0001")


@pytest.mark.parametrize(
    ("field", "value"),
    [("country", "Japan"), ("country", "XX"), ("name", " "), ("city", "x" * 201), ("line1", "1-2\x00"), ("line1", "")],
)
async def test_an_invalid_address_is_refused(shop: Shop, field: str, value: str) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)

    payload = await shop.set_fulfillment(guest, cart, "SHIP", address=ADDRESS | {field: value})

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["address", field])]
    assert await cart_calls.read(guest, cart) == cart
