"""Journey C: one unit is left, and everybody checks out at once."""

from __future__ import annotations

import asyncio

from doors import Door, close_for_shipping, codes, online, orders, pickup, read, till
from unguarded import copy_of, level_of, sell_after_looking

from shop import Shop
from uriba import invariants


async def unchanged(door: Door) -> bool:
    """The cart is open, and still holds what was put into it."""
    cart = await read(door.client, door.cart)
    return cart["status"] == "ACTIVE" and [(line["id"], line["quantity"]) for line in cart["lines"]] == [
        (line["id"], line["quantity"]) for line in door.cart["lines"]
    ]


async def test_looking_first_sells_the_last_unit_many_times(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    key = await level_of(shop, "TEA", "S1")
    async with copy_of(shop.hub.database, "stock_level", "(variant_id, location_id) = ($1, $2)", *key) as table:
        sold = await sell_after_looking(shop.hub.database, table, buyers=4)

    assert sold == 4


async def test_app_web_and_two_tills_want_the_last_one(shop: Shop) -> None:
    await close_for_shipping(shop, "S2", "Sapporo")
    await shop.receive(TEA_S2=2)
    app, web, tills = shop.guest("app"), shop.guest("web"), [await shop.terminal("S1"), await shop.terminal("S1")]
    for _ in range(4):
        await shop.receive(TEA_S1=1)
        doors = [
            await online(shop, app, TEA=1),
            await online(shop, web, TEA=1),
            *[await till(shop, one, TEA=1) for one in tills],
        ]

        payloads = await asyncio.gather(*(door.pay() for door in doors))

        assert sum(payload["order"] is not None for payload in payloads) == 1
        for door, payload in zip(doors, payloads, strict=True):
            if payload["order"] is None:
                assert codes(payload) == ["OUT_OF_STOCK"]
                assert payload["errors"][0]["path"] == ["lines", "0", "quantity"]
                assert payload["errors"][0]["message"] == "Not enough of Tea. Sapporo has 2."
                assert await unchanged(door)
        level = await shop.level("TEA", "S1")
        assert (level["available"], level["reserved"], level["shortage"]) == (0, 0, 0)


async def test_fifty_checkouts_at_once_of_the_last_unit_make_one_order(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest, web, one = shop.guest("app"), shop.guest("web"), await shop.terminal("S1")
    doors = await asyncio.gather(
        *(online(shop, guest, TEA=1) for _ in range(20)),
        *(pickup(shop, web, TEA=1) for _ in range(10)),
        *(till(shop, one, TEA=1) for _ in range(20)),
    )

    payloads = await asyncio.gather(*(door.pay() for door in doors))

    assert sorted(codes(payload) for payload in payloads) == [[]] + [["OUT_OF_STOCK"]] * 49
    assert sorted([await orders(shop, door.cart) for door in doors]) == [0] * 49 + [1]
    kept = await asyncio.gather(*(unchanged(door) for door in doors))
    assert sum(kept) == 49
    level = await shop.level("TEA", "S1")
    assert (level["onHand"] - level["committed"], level["reserved"], level["shortage"]) == (0, 0, 0)
    assert [found.invariant.name for found in await invariants.check(shop.hub.database) if found.rows] == []


async def test_of_many_units_exactly_as_many_are_sold_as_there_are(shop: Shop) -> None:
    await shop.receive(TEA_S1=7, TEA_W1=6)
    guest, one = shop.guest("app"), await shop.terminal("S1")
    doors = await asyncio.gather(
        *(online(shop, guest, TEA=1) for _ in range(15)), *(till(shop, one, TEA=1) for _ in range(15))
    )

    payloads = await asyncio.gather(*(door.pay() for door in doors))

    # A till sells from its own shelf only, the app from everywhere: whoever is refused found nothing left in reach.
    levels = [await shop.level("TEA", place) for place in ("S1", "W1")]
    sold = sum(payload["order"] is not None for payload in payloads)
    assert {code for payload in payloads for code in codes(payload)} <= {"OUT_OF_STOCK"}
    assert sold == 13 - sum(level["available"] for level in levels)
    assert levels[0]["available"] == 0
    assert all(level["available"] >= 0 and level["reserved"] == 0 for level in levels)


async def test_the_last_unit_that_a_declined_card_held_is_for_sale_again(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    guest, one = shop.guest("app"), await shop.terminal("S1")
    for _ in range(3):
        doors = [await pickup(shop, guest, TEA=1) for _ in range(3)]

        payloads = await asyncio.gather(*(shop.check_out(guest, door.cart, token="declined") for door in doors))

        # Whoever came while another card was being asked is told so; nobody keeps the unit.
        assert {code for payload in payloads for code in codes(payload)} <= {"PAYMENT_DECLINED", "OUT_OF_STOCK"}
        assert "PAYMENT_DECLINED" in {code for payload in payloads for code in codes(payload)}
        assert all(await asyncio.gather(*(unchanged(door) for door in doors)))
    assert (await (await till(shop, one, TEA=1)).pay())["order"]["status"] == "COMPLETED"
