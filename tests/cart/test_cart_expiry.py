"""Carts expire when they have not changed for a term."""

from __future__ import annotations

import asyncio

from tests.support import cart_calls
from tests.support.shop import CART, Shop
from uriba.worker import sweeps


async def make_stale(shop: Shop, *carts: dict[str, object]) -> None:
    """Make these carts one second older than the term."""
    async with shop.hub.database.transaction() as session:
        await session.run(
            "UPDATE cart SET updated_at = now() - make_interval(secs => $2) WHERE id = ANY($1)",
            [cart_calls.key(cart) for cart in carts],
            shop.hub.settings.cart_term_s + 1,
        )


async def test_a_stale_cart_expires_and_a_changed_one_does_not(shop: Shop) -> None:
    guest = shop.guest()
    old, new = await shop.create_cart(guest, TEA=1), await shop.create_cart(guest, TEA=1)
    await make_stale(shop, old)

    await sweeps.expire_carts(shop.hub.work)

    ended = await cart_calls.read(guest, old)
    assert (ended["status"], ended["version"], ended["quantity"]) == ("EXPIRED", old["version"] + 1, 1)
    assert await cart_calls.read(guest, new) == new


async def test_an_expired_cart_is_closed_and_its_subscribers_are_notified(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    async with guest.subscribe(
        f"subscription ($c: ID!) {{ cartChanged(cartId: $c) {{ {CART} }} }}", c=cart["id"]
    ) as on:
        await on.next()
        await make_stale(shop, cart)

        await sweeps.expire_carts(shop.hub.work)

        state = await on.until(lambda state: state["status"] != "ACTIVE")
    assert state["status"] == "EXPIRED"
    assert [
        cart_calls.codes(p) for p in (await shop.add_lines(guest, cart, TEA=1), await shop.check_out(guest, cart))
    ] == [["CART_NOT_ACTIVE"]] * 2


async def test_a_customer_whose_cart_expired_gets_a_new_one(shop: Shop) -> None:
    phone = await shop.customer()
    cart = await shop.create_cart(phone, TEA=1)
    await make_stale(shop, cart)
    await sweeps.expire_carts(shop.hub.work)

    again = await shop.create_cart(phone, POT=1)

    assert again["id"] != cart["id"]
    assert cart_calls.quantities(again) == {"POT": 1}


async def test_a_cart_that_is_being_paid_does_not_expire(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest = shop.guest("app")
    cart = (await shop.set_fulfillment(guest, await shop.create_cart(guest, TEA=1), "PICKUP", location="S1"))["cart"]
    await shop.check_out(guest, cart, token="timeout")
    await make_stale(shop, cart)

    await sweeps.expire_carts(shop.hub.work)

    assert (await cart_calls.read(guest, cart))["status"] == "ACTIVE"


async def test_concurrent_sweeps_expire_each_cart_once(shop: Shop) -> None:
    guest = shop.guest()
    carts = [await shop.create_cart(guest, TEA=1) for _ in range(4)]
    await make_stale(shop, *carts)

    found = await asyncio.gather(*(sweeps.expire_carts(shop.hub.work) for _ in range(4)))

    assert sum(found) == 4
    assert await sweeps.expire_carts(shop.hub.work) == 0
    assert [(await cart_calls.read(guest, cart))["version"] for cart in carts] == [
        cart["version"] + 1 for cart in carts
    ]
