"""Carts with many lines in any order, at every door: nobody waits in a circle."""

from __future__ import annotations

import asyncio
import random
from uuid import uuid4

from doors import Door, codes, online, pickup, till
from unguarded import copy_of, take_line_by_line

from client import Client
from shop import ERRORS, Shop
from uriba.worker import sweeps

NAMES = tuple(f"G{n}" for n in range(10))


async def stock(shop: Shop, **units: int) -> None:
    """Ten more goods of ¥100, so many of each at each of these places."""
    variants = [{"sku": shop.sku(name), "name": name} for name in NAMES]
    made = await shop.staff.do(
        f"mutation ($p: [ProductInput!]!) {{ productsUpsert(products: $p) {{ count {ERRORS} }} }}",
        p=[{"handle": shop.code("goods"), "name": "Goods", "variants": variants}],
    )
    priced = await shop.staff.do(
        f"mutation ($p: [PriceInput!]!) {{ pricesUpsert(prices: $p) {{ count {ERRORS} }} }}",
        p=[{"sku": shop.sku(name), "amount": {"amount": "100", "currency": "JPY"}} for name in NAMES],
    )
    assert (made["errors"], priced["errors"]) == ([], [])
    await shop.receive(**{f"{name}_{place}": n for place, n in units.items() for name in NAMES})


async def test_lines_taken_in_the_order_of_the_cart_end_in_a_circle(shop: Shop) -> None:
    await stock(shop, S1=9)
    database = shop.hub.database
    async with database.reading() as session:
        found = await session.fetch("SELECT id FROM variant WHERE sku = ANY($1)", [shop.sku(n) for n in NAMES[:2]])
    one, two = (row["id"] for row in found)
    async with copy_of(database, "stock_level", "variant_id = ANY($1)", [one, two]) as table:
        ended = await take_line_by_line(database, table, [(one, two), (two, one)])

    assert ended == 1


async def test_many_lines_in_any_order_at_every_door_never_end_in_a_circle(shop: Shop) -> None:
    await stock(shop, S1=12, S2=6, W1=6)
    chance = random.Random(7)
    guest, tills = shop.guest("app"), [await shop.terminal("S1"), await shop.terminal("S2")]

    async def door(n: int) -> Door:
        names = chance.sample(NAMES, k=8)
        units = {name: chance.randint(1, 2) for name in names}
        if n % 3 == 0:
            return await till(shop, tills[n % 2], **units)
        return await (online if n % 3 == 1 else pickup)(shop, guest, **units)

    async def adjust(client: Client) -> list[str]:
        changes = [
            {"sku": shop.sku(name), "location": shop.code("S1"), "delta": chance.choice([-1, 1])}
            for name in chance.sample(NAMES, k=6)
        ]
        payload = await client.do(
            f"mutation ($i: StockAdjustInput!) {{ stockAdjust(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}",
            i={"changes": changes, "idempotencyKey": uuid4().hex},
        )
        return codes(payload)

    doors = [await door(n) for n in range(24)]

    # A top-level error, such as INTERNAL for a deadlock, fails the call itself.
    payloads, adjusted, *_ = await asyncio.gather(
        asyncio.gather(*(one.pay() for one in doors)),
        asyncio.gather(*(adjust(shop.staff) for _ in range(6))),
        sweeps.expire_holds(shop.hub.work),
        sweeps.finish_checkouts(shop.hub.work),
    )

    ends = {code for payload in payloads for code in codes(payload)}
    assert ends == {"OUT_OF_STOCK"}
    assert sum(payload["order"] is not None for payload in payloads) >= 6
    assert {code for one in adjusted for code in one} <= {"INVALID_QUANTITY"}
