"""cartChanged: the present state first, then every change in order."""

from __future__ import annotations

import asyncio

from tests.support import cart_calls
from tests.support.shop import ADDRESS, CART, Shop

WATCH = f"subscription ($c: ID!) {{ cartChanged(cartId: $c) {{ {CART} }} }}"


async def test_the_present_state_comes_first_then_each_change(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    changes = (
        lambda: shop.add_lines(guest, cart, POT=1),
        lambda: shop.set_fulfillment(guest, cart, "PICKUP", location="S1"),
        lambda: cart_calls.set_quantities(guest, cart, TEA=3),
    )
    async with guest.subscribe(WATCH, c=cart["id"]) as on:
        seen = [await on.next()]
        for change in changes:
            changed = (await change())["cart"]
            seen.append(await on.until(lambda state, at=changed["version"]: state["version"] >= at))
            assert seen[-1] == changed

    assert seen[0] == cart
    assert [state["version"] for state in seen] == [2, 3, 4, 5]


async def test_a_burst_of_changes_ends_in_the_newest_state_and_never_goes_back(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest)
    versions = []
    async with guest.subscribe(WATCH, c=cart["id"]) as on:
        await on.next()

        await asyncio.gather(*(shop.add_lines(guest, cart, TEA=1) for _ in range(20)))
        while not versions or versions[-1] < 21:
            versions.append((await on.next())["version"])

    assert versions == sorted(versions)
    assert (await cart_calls.read(guest, cart))["quantity"] == 20


async def test_the_carts_events_are_numbered_as_they_happened(shop: Shop) -> None:
    await shop.receive(TEA_S1=9)
    phone, till = await shop.customer(), await shop.terminal()
    cart = await shop.create_cart(phone, TEA=1)
    await shop.set_fulfillment(phone, cart, "SHIP", address=ADDRESS)

    claimed = await cart_calls.hand_over(phone, cart, till)
    await shop.check_out(till, claimed, method="CASH")

    async with shop.hub.database.reading() as session:
        events = await session.fetch(
            "SELECT type, version FROM outbox_event WHERE subject = $1 ORDER BY version", f"Cart:{cart_calls.key(cart)}"
        )
    assert [(row["version"], row["type"]) for row in events] == [
        (1, "cart.created"),
        (2, "cart.updated"),
        (3, "cart.updated"),
        (4, "cart.handed_off"),
        (5, "cart.ordered"),
    ]


async def test_a_merge_is_published_to_both_carts(shop: Shop) -> None:
    guest = shop.guest()
    source, into = await shop.create_cart(guest, TEA=1), await shop.create_cart(guest, POT=1)
    async with guest.subscribe(WATCH, c=source["id"]) as on_source, guest.subscribe(WATCH, c=into["id"]) as on_into:
        await on_source.next()
        await on_into.next()

        await cart_calls.merge(guest, source, into)

        assert (await on_source.until(lambda state: state["status"] != "ACTIVE"))["status"] == "MERGED"
        assert (await on_into.until(lambda state: state["version"] > into["version"]))["quantity"] == 2


async def test_a_guest_follows_the_order_through_the_cart(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, TEA=1)
    chosen = await shop.set_fulfillment(guest, cart, "PICKUP", location="S1")
    async with guest.subscribe(WATCH, c=cart["id"]) as on:
        await on.next()

        paid = await shop.check_out(guest, chosen["cart"])

        state = await on.until(lambda state: state["status"] == "ORDERED")
        assert state["order"] == {key: paid["order"][key] for key in ("id", "number", "status")}


async def test_a_guest_gets_no_updates_once_a_customer_owns_the_cart(shop: Shop) -> None:
    guest, phone = shop.guest(), await shop.customer()
    cart = await shop.create_cart(guest, TEA=1)
    async with guest.subscribe(WATCH, c=cart["id"]) as on:
        await on.next()

        await cart_calls.merge(phone, cart)

        while (message := await on.next_message())["type"] == "next":
            assert message["payload"]["data"]["cartChanged"]["customer"] is None
        assert message["type"] == "complete"
