"""Warnings about lines of a cart, which never stop it."""

from __future__ import annotations

from tests.support import cart_calls
from tests.support.shop import Shop


async def test_a_changed_price_warns_until_the_quantity_is_set_again(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest("web")
    cart = await shop.create_cart(guest, TEA=1)
    await cart_calls.reprice(shop, "TEA", "700", channel="web")

    changed = await cart_calls.read(guest, cart)
    agreed = (await cart_calls.set_quantities(guest, cart, TEA=2))["cart"]

    tea = cart_calls.line(changed, "TEA")
    assert (tea["unitPrice"]["amount"], changed["total"]["amount"]) == ("700", "1200")
    assert [(w["code"], "648" in w["message"]) for w in tea["warnings"]] == [("PRICE_CHANGED", True)]
    assert (cart_calls.warnings(agreed, "TEA"), cart_calls.line(agreed, "TEA")["total"]["amount"]) == ([], "1400")


async def test_adding_units_accepts_the_new_price(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest("web")
    cart = await shop.create_cart(guest, TEA=1)
    await cart_calls.reprice(shop, "TEA", "700", channel="web")

    payload = await shop.add_lines(guest, cart, TEA=1)

    assert cart_calls.warnings(payload["cart"], "TEA") == []


async def test_units_unavailable_by_the_method_warn(shop: Shop) -> None:
    await shop.receive(TEA_W1=1, POT_S1=1)
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=2, POT=1)

    shipped = await cart_calls.read(guest, cart)
    here = (await shop.set_fulfillment(guest, cart, "PICKUP", location="S1"))["cart"]

    warnings = cart_calls.line(shipped, "TEA")["warnings"]
    assert [(w["code"], w["message"]) for w in warnings] == [("OUT_OF_STOCK", "Only 1 available for shipping now.")]
    assert cart_calls.warnings(shipped, "POT") == []
    assert (cart_calls.warnings(here, "TEA"), cart_calls.warnings(here, "POT")) == (["OUT_OF_STOCK"], [])


async def test_stock_bought_by_others_warns(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest, till = shop.guest(), await shop.terminal()
    cart = await shop.create_cart(guest, TEA=1)
    assert cart_calls.warnings(await cart_calls.read(guest, cart), "TEA") == []

    await shop.check_out(till, await shop.create_cart(till, TEA=1), method="CASH")

    assert cart_calls.warnings(await cart_calls.read(guest, cart), "TEA") == ["OUT_OF_STOCK"]


async def test_discontinued_goods_stay_with_a_warning_and_their_price(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    await cart_calls.discontinue(shop, "TEA")

    after = await cart_calls.read(guest, cart)

    assert cart_calls.warnings(after, "TEA") == ["DISCONTINUED"]
    assert after["total"] == cart["total"]


async def test_a_price_that_ended_is_no_longer_sold(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest("web")
    cart = await shop.create_cart(guest, TEA=1)
    await cart_calls.reprice(shop, "TEA", "648", channel="web", validTo="2020-01-01T00:00:00Z")

    after = await cart_calls.read(guest, cart)

    assert cart_calls.warnings(after, "TEA") == ["DISCONTINUED"]
    assert cart_calls.line(after, "TEA")["unitPrice"]["amount"] == "648"
