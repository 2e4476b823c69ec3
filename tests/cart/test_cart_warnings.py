"""What a customer should know before paying: warnings never stop a cart."""

from __future__ import annotations

import baskets

from shop import Shop


async def test_a_price_that_changed_since_it_was_added_is_told_until_the_line_is_said_again(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest("web")
    cart = await shop.cart(guest, TEA=1)
    await baskets.reprice(shop, "TEA", "700", channel="web")

    changed = await baskets.read(guest, cart)
    agreed = (await baskets.set_quantities(guest, cart, TEA=2))["cart"]

    tea = baskets.line(changed, "TEA")
    assert (tea["unitPrice"]["amount"], changed["total"]["amount"]) == ("700", "1200")
    assert [(w["code"], "648" in w["message"]) for w in tea["warnings"]] == [("PRICE_CHANGED", True)]
    assert (baskets.warnings(agreed, "TEA"), baskets.line(agreed, "TEA")["total"]["amount"]) == ([], "1400")


async def test_adding_more_agrees_to_the_new_price(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest("web")
    cart = await shop.cart(guest, TEA=1)
    await baskets.reprice(shop, "TEA", "700", channel="web")

    payload = await shop.add(guest, cart, TEA=1)

    assert baskets.warnings(payload["cart"], "TEA") == []


async def test_what_cannot_be_had_this_way_is_told(shop: Shop) -> None:
    await shop.receive(TEA_W1=1, POT_S1=1)
    guest = shop.guest()
    cart = await shop.cart(guest, TEA=2, POT=1)

    shipped = await baskets.read(guest, cart)
    here = (await shop.fulfil(guest, cart, "PICKUP", location="S1"))["cart"]

    told = baskets.line(shipped, "TEA")["warnings"]
    assert [(w["code"], w["message"]) for w in told] == [("OUT_OF_STOCK", "Only 1 available for shipping now.")]
    assert baskets.warnings(shipped, "POT") == []
    assert (baskets.warnings(here, "TEA"), baskets.warnings(here, "POT")) == (["OUT_OF_STOCK"], [])


async def test_what_is_paid_by_another_is_told(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest, till = shop.guest(), await shop.terminal()
    cart = await shop.cart(guest, TEA=1)
    assert baskets.warnings(await baskets.read(guest, cart), "TEA") == []

    await shop.check_out(till, await shop.cart(till, TEA=1), method="CASH")

    assert baskets.warnings(await baskets.read(guest, cart), "TEA") == ["OUT_OF_STOCK"]


async def test_discontinued_goods_stay_with_a_warning_and_their_price(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest()
    cart = await shop.cart(guest, TEA=1)
    await baskets.discontinue(shop, "TEA")

    after = await baskets.read(guest, cart)

    assert baskets.warnings(after, "TEA") == ["DISCONTINUED"]
    assert after["total"] == cart["total"]


async def test_a_price_that_ended_is_no_longer_sold(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    guest = shop.guest("web")
    cart = await shop.cart(guest, TEA=1)
    await baskets.reprice(shop, "TEA", "648", channel="web", validTo="2020-01-01T00:00:00Z")

    after = await baskets.read(guest, cart)

    assert baskets.warnings(after, "TEA") == ["DISCONTINUED"]
    assert baskets.line(after, "TEA")["unitPrice"]["amount"] == "648"
