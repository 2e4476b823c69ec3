"""Journey C: several buyers check out the last unit at the same time, and one gets it."""

from __future__ import annotations

import asyncio

from tests.support.buyers import (
    Buyer,
    codes,
    order_count,
    pickup_buyer,
    read_cart,
    shipping_buyer,
    stop_shipping_from,
    till_buyer,
)
from tests.support.races_without_guard import copied_rows, level_key, sell_without_guard
from tests.support.shop import Shop
from uriba import invariants


async def is_cart_unchanged(buyer: Buyer) -> bool:
    """Whether the cart is active and has the lines that it had before the checkout."""
    cart = await read_cart(buyer.client, buyer.cart)
    return cart["status"] == "ACTIVE" and [(line["id"], line["quantity"]) for line in cart["lines"]] == [
        (line["id"], line["quantity"]) for line in buyer.cart["lines"]
    ]


async def test_without_a_guard_the_last_unit_is_sold_several_times(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    key = await level_key(shop, "TEA", "S1")
    async with copied_rows(shop.hub.database, "stock_level", "(variant_id, location_id) = ($1, $2)", *key) as table:
        sold = await sell_without_guard(shop.hub.database, table, buyers=4)

    assert sold == 4


async def test_one_of_app_web_and_two_tills_gets_the_last_unit(shop: Shop) -> None:
    await stop_shipping_from(shop, "S2", "Sapporo")
    await shop.receive(TEA_S2=2)
    app, web, tills = shop.guest("app"), shop.guest("web"), [await shop.terminal("S1"), await shop.terminal("S1")]
    for _ in range(4):
        await shop.receive(TEA_S1=1)
        buyers = [
            await shipping_buyer(shop, app, TEA=1),
            await shipping_buyer(shop, web, TEA=1),
            *[await till_buyer(shop, till, TEA=1) for till in tills],
        ]

        payloads = await asyncio.gather(*(buyer.pay() for buyer in buyers))

        assert sum(payload["order"] is not None for payload in payloads) == 1
        for buyer, payload in zip(buyers, payloads, strict=True):
            if payload["order"] is None:
                assert codes(payload) == ["OUT_OF_STOCK"]
                assert payload["errors"][0]["path"] == ["lines", "0", "quantity"]
                assert payload["errors"][0]["message"] == "Not enough of Tea. Sapporo has 2."
                assert await is_cart_unchanged(buyer)
        level = await shop.stock_level("TEA", "S1")
        assert (level["available"], level["reserved"], level["shortage"]) == (0, 0, 0)


async def test_fifty_concurrent_checkouts_of_the_last_unit_make_one_order(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest, web, till = shop.guest("app"), shop.guest("web"), await shop.terminal("S1")
    buyers = await asyncio.gather(
        *(shipping_buyer(shop, guest, TEA=1) for _ in range(20)),
        *(pickup_buyer(shop, web, TEA=1) for _ in range(10)),
        *(till_buyer(shop, till, TEA=1) for _ in range(20)),
    )

    payloads = await asyncio.gather(*(buyer.pay() for buyer in buyers))

    assert sorted(codes(payload) for payload in payloads) == [[]] + [["OUT_OF_STOCK"]] * 49
    assert sorted([await order_count(shop, buyer.cart) for buyer in buyers]) == [0] * 49 + [1]
    unchanged = await asyncio.gather(*(is_cart_unchanged(buyer) for buyer in buyers))
    assert sum(unchanged) == 49
    level = await shop.stock_level("TEA", "S1")
    assert (level["onHand"] - level["committed"], level["reserved"], level["shortage"]) == (0, 0, 0)
    assert [finding.invariant.name for finding in await invariants.check(shop.hub.database) if finding.rows] == []


async def test_concurrent_checkouts_sell_exactly_the_units_in_stock(shop: Shop) -> None:
    await shop.receive(TEA_S1=7, TEA_W1=6)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    buyers = await asyncio.gather(
        *(shipping_buyer(shop, guest, TEA=1) for _ in range(15)), *(till_buyer(shop, till, TEA=1) for _ in range(15))
    )

    payloads = await asyncio.gather(*(buyer.pay() for buyer in buyers))

    # A till sells stock of its own store only; the app sells from all locations.
    levels = [await shop.stock_level("TEA", place) for place in ("S1", "W1")]
    sold = sum(payload["order"] is not None for payload in payloads)
    assert {code for payload in payloads for code in codes(payload)} <= {"OUT_OF_STOCK"}
    assert sold == 13 - sum(level["available"] for level in levels)
    assert levels[0]["available"] == 0
    assert all(level["available"] >= 0 and level["reserved"] == 0 for level in levels)


async def test_a_declined_card_releases_the_last_unit(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    for _ in range(3):
        buyers = [await pickup_buyer(shop, guest, TEA=1) for _ in range(3)]

        payloads = await asyncio.gather(*(shop.check_out(guest, buyer.cart, token="declined") for buyer in buyers))

        # A buyer is refused while another card is being authorized. No buyer keeps the unit.
        assert {code for payload in payloads for code in codes(payload)} <= {"PAYMENT_DECLINED", "OUT_OF_STOCK"}
        assert "PAYMENT_DECLINED" in {code for payload in payloads for code in codes(payload)}
        assert all(await asyncio.gather(*(is_cart_unchanged(buyer) for buyer in buyers)))
    assert (await (await till_buyer(shop, till, TEA=1)).pay())["order"]["status"] == "COMPLETED"
