"""One cart is checked out by several devices at once: there is one order, and one payment."""

from __future__ import annotations

import asyncio

from tests.support.buyers import cart_key, charge_statuses, codes, order_count, read_cart
from tests.support.races_without_guard import copied_rows, order_without_guard
from tests.support.shop import ADDRESS, Shop


async def test_without_a_lock_one_cart_becomes_two_orders(shop: Shop) -> None:
    cart = await shop.create_cart(shop.guest(), TEA=1)
    async with copied_rows(shop.hub.database, "cart", "id = $1", cart_key(cart)) as table:
        ordered = await order_without_guard(shop.hub.database, table, buyers=2)

    assert ordered == 2


async def test_concurrent_checkouts_on_the_web_and_at_a_till_make_one_order(shop: Shop) -> None:
    await shop.receive(TEA_S1=60)
    web, till = await shop.customer(channel="app"), await shop.terminal("S1")
    for round_ in range(20):
        cart = await shop.create_cart(web, TEA=1)
        cart = (await shop.set_fulfillment(web, cart, "SHIP", lineIds=[], address=ADDRESS))["cart"]
        pay = [shop.check_out(web, cart), shop.check_out(till, cart, method="CASH")]

        payloads = await asyncio.gather(*(pay if round_ % 2 else reversed(pay)))

        (order,) = (payload["order"] for payload in payloads if payload["order"] is not None)
        assert sorted(codes(payload) for payload in payloads) == [[], ["CART_NOT_ACTIVE"]]
        assert order["paymentStatus"] == "PAID"
        assert await order_count(shop, cart) == 1
        by_card = order["payments"][0]["method"] == "TEST"
        assert await charge_statuses(shop, cart) == (["CAPTURED"] if by_card else [])
        assert (await read_cart(web, cart))["order"]["number"] == order["number"]
    level = await shop.stock_level("TEA", "S1")
    assert level["onHand"] - level["committed"] == 40


async def test_concurrent_card_checkouts_charge_one_card(shop: Shop) -> None:
    await shop.receive(TEA_S1=9)
    phone, web, till = await shop.customer(), await shop.customer(channel="web"), await shop.terminal("S1")
    for _ in range(5):
        cart = await shop.create_cart(phone, TEA=1)
        cart = (await shop.set_fulfillment(phone, cart, "PICKUP", location="S1"))["cart"]

        payloads = await asyncio.gather(*(shop.check_out(buyer, cart) for buyer in (phone, web, till) * 2))

        assert sorted(codes(payload) for payload in payloads) == [[]] + [["CART_NOT_ACTIVE"]] * 5
        assert (await order_count(shop, cart), await charge_statuses(shop, cart)) == (1, ["CAPTURED"])


async def test_a_line_added_during_checkout_is_refused_or_fails_the_checkout(shop: Shop) -> None:
    await shop.receive(TEA_S1=99)
    phone, till = await shop.customer(), await shop.terminal("S1")
    for _ in range(10):
        cart = await shop.create_cart(phone, TEA=1)

        added, paid = await asyncio.gather(
            shop.add_lines(phone, cart, TEA=1), shop.check_out(till, cart, method="CASH")
        )

        after = await read_cart(phone, cart)
        if paid["order"] is None:
            assert (codes(paid), added["errors"]) == (["PAYMENT_MISMATCH"], [])
            assert (after["status"], after["quantity"]) == ("ACTIVE", 2)
            await shop.check_out(till, after, method="CASH")
        else:
            assert codes(added) == ["CART_NOT_ACTIVE"]
            assert paid["order"]["lines"][0]["quantity"] == 1
