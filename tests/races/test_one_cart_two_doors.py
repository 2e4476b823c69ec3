"""The same cart is checked out on the web and at the till at once: one order, and money is taken once."""

from __future__ import annotations

import asyncio

from doors import charges, codes, key, orders, read
from unguarded import copy_of, order_after_looking

from shop import ADDRESS, Shop


async def test_looking_first_orders_a_cart_twice(shop: Shop) -> None:
    cart = await shop.cart(shop.guest(), TEA=1)
    async with copy_of(shop.hub.database, "cart", "id = $1", key(cart)) as table:
        ordered = await order_after_looking(shop.hub.database, table, doors=2)

    assert ordered == 2


async def test_a_cart_that_is_paid_at_two_doors_at_once_becomes_one_order(shop: Shop) -> None:
    await shop.receive(TEA_S1=60)
    web, till = await shop.customer(channel="app"), await shop.terminal("S1")
    for round_ in range(20):
        cart = await shop.cart(web, TEA=1)
        cart = (await shop.fulfil(web, cart, "SHIP", lineIds=[], address=ADDRESS))["cart"]
        pay = [shop.check_out(web, cart), shop.check_out(till, cart, method="CASH")]

        payloads = await asyncio.gather(*(pay if round_ % 2 else reversed(pay)))

        (won,) = (payload["order"] for payload in payloads if payload["order"] is not None)
        assert sorted(codes(payload) for payload in payloads) == [[], ["CART_NOT_ACTIVE"]]
        assert won["paymentStatus"] == "PAID"
        assert await orders(shop, cart) == 1
        by_card = won["payments"][0]["method"] == "TEST"
        assert await charges(shop, cart) == (["CAPTURED"] if by_card else [])
        assert (await read(web, cart))["order"]["number"] == won["number"]
    level = await shop.level("TEA", "S1")
    assert level["onHand"] - level["committed"] == 40


async def test_many_doors_with_cards_charge_one_of_them(shop: Shop) -> None:
    await shop.receive(TEA_S1=9)
    phone, web, till = await shop.customer(), await shop.customer(channel="web"), await shop.terminal("S1")
    for _ in range(5):
        cart = await shop.cart(phone, TEA=1)
        cart = (await shop.fulfil(phone, cart, "PICKUP", location="S1"))["cart"]

        payloads = await asyncio.gather(*(shop.check_out(door, cart) for door in (phone, web, till) * 2))

        assert sorted(codes(payload) for payload in payloads) == [[]] + [["CART_NOT_ACTIVE"]] * 5
        assert (await orders(shop, cart), await charges(shop, cart)) == (1, ["CAPTURED"])


async def test_a_line_added_while_the_till_is_paid_is_in_the_order_or_refused(shop: Shop) -> None:
    await shop.receive(TEA_S1=99)
    phone, till = await shop.customer(), await shop.terminal("S1")
    for _ in range(10):
        cart = await shop.cart(phone, TEA=1)

        added, paid = await asyncio.gather(shop.add(phone, cart, TEA=1), shop.check_out(till, cart, method="CASH"))

        after = await read(phone, cart)
        if paid["order"] is None:
            assert (codes(paid), added["errors"]) == (["PAYMENT_MISMATCH"], [])
            assert (after["status"], after["quantity"]) == ("ACTIVE", 2)
            await shop.check_out(till, after, method="CASH")
        else:
            assert codes(added) == ["CART_NOT_ACTIVE"]
            assert paid["order"]["lines"][0]["quantity"] == 1
