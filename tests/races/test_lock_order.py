"""Concurrent checkouts and adjustments of many variants in random order do not deadlock: levels are locked by key."""

from __future__ import annotations

import asyncio
import random
from uuid import uuid4

from tests.support.buyers import Buyer, codes, pickup_buyer, shipping_buyer, till_buyer
from tests.support.client import Client
from tests.support.races_without_guard import copied_rows, take_in_cart_order
from tests.support.shop import ERRORS, Shop
from uriba.worker import sweeps

NAMES = tuple(f"G{n}" for n in range(10))


async def create_stock(shop: Shop, **units: int) -> None:
    """Create ten variants of ¥100, with this number of units of each at each location."""
    variants = [{"sku": shop.sku(name), "name": name} for name in NAMES]
    products = await shop.staff.mutate(
        f"mutation ($p: [ProductInput!]!) {{ productsUpsert(products: $p) {{ count {ERRORS} }} }}",
        p=[{"handle": shop.code("goods"), "name": "Goods", "variants": variants}],
    )
    prices = await shop.staff.mutate(
        f"mutation ($p: [PriceInput!]!) {{ pricesUpsert(prices: $p) {{ count {ERRORS} }} }}",
        p=[{"sku": shop.sku(name), "amount": {"amount": "100", "currency": "JPY"}} for name in NAMES],
    )
    assert (products["errors"], prices["errors"]) == ([], [])
    await shop.receive(**{f"{name}_{location}": n for location, n in units.items() for name in NAMES})


async def test_taking_levels_in_cart_order_deadlocks(shop: Shop) -> None:
    await create_stock(shop, S1=9)
    database = shop.hub.database
    async with database.reading() as session:
        rows = await session.fetch("SELECT id FROM variant WHERE sku = ANY($1)", [shop.sku(n) for n in NAMES[:2]])
    first, second = (row["id"] for row in rows)
    async with copied_rows(database, "stock_level", "variant_id = ANY($1)", [first, second]) as table:
        deadlocks = await take_in_cart_order(database, table, [(first, second), (second, first)])

    assert deadlocks == 1


async def test_checkouts_and_adjustments_in_random_order_never_deadlock(shop: Shop) -> None:
    await create_stock(shop, S1=12, S2=6, W1=6)
    rng = random.Random(7)
    guest, tills = shop.guest("app"), [await shop.terminal("S1"), await shop.terminal("S2")]

    async def make_buyer(n: int) -> Buyer:
        names = rng.sample(NAMES, k=8)
        units = {name: rng.randint(1, 2) for name in names}
        if n % 3 == 0:
            return await till_buyer(shop, tills[n % 2], **units)
        return await (shipping_buyer if n % 3 == 1 else pickup_buyer)(shop, guest, **units)

    async def adjust(client: Client) -> list[str]:
        changes = [
            {"sku": shop.sku(name), "location": shop.code("S1"), "delta": rng.choice([-1, 1])}
            for name in rng.sample(NAMES, k=6)
        ]
        payload = await client.mutate(
            f"mutation ($i: StockAdjustInput!) {{ stockAdjust(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}",
            i={"changes": changes, "idempotencyKey": uuid4().hex},
        )
        return codes(payload)

    buyers = [await make_buyer(n) for n in range(24)]

    # A top-level error, such as INTERNAL for a deadlock, fails the call itself.
    payloads, adjusted, *_ = await asyncio.gather(
        asyncio.gather(*(buyer.pay() for buyer in buyers)),
        asyncio.gather(*(adjust(shop.staff) for _ in range(6))),
        sweeps.expire_holds(shop.hub.work),
        sweeps.finish_checkouts(shop.hub.work),
    )

    refusals = {code for payload in payloads for code in codes(payload)}
    assert refusals == {"OUT_OF_STOCK"}
    assert sum(payload["order"] is not None for payload in payloads) >= 6
    assert {code for refused in adjusted for code in refused} <= {"INVALID_QUANTITY"}
