"""Tills, buyers, receipts and both sweeps at once: in the end every promise has its units."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.support.placed_orders import (
    cart_to_ship,
    fulfillments,
    level_quantities,
    place_to_ship,
    receive_and_fill,
    sell_at_till,
    sweep_backorders,
    sweep_shortages,
)
from tests.support.shop import Shop
from uriba.fulfillment.allocation import backorders

PLACES = ("S1", "S2", "W1")


@pytest.mark.parametrize("seed", [7, 8, 9])
async def test_concurrent_changes_lose_no_promise_and_leave_no_back_order_beside_stock(shop: Shop, seed: int) -> None:
    random = Random(seed)
    await shop.receive(TEA_S1=8, TEA_S2=8, TEA_W1=8, POT_S1=8, POT_S2=8, POT_W1=8)
    placed = [await place_to_ship(shop, TEA=1 + n % 3, POT=1) for n in range(8)]
    guest = shop.guest("app")
    carts = [await cart_to_ship(shop, guest, TEA=1 + n % 2) for n in range(6)]

    async def sell() -> None:
        for _ in range(6):
            await sell_at_till(shop, random.choice(("TEA", "POT")), random.choice(PLACES), random.randint(1, 3))

    async def receive() -> None:
        for _ in range(6):
            levels = {f"{sku}_{place}": random.randint(1, 2) for sku in ("TEA", "POT") for place in PLACES[:2]}
            async with shop.hub.database.transaction() as session:
                await receive_and_fill(session, shop, **levels)

    async def sweep() -> None:
        for _ in range(6):
            await sweep_shortages(shop)
            await sweep_backorders(shop)

    async def buy() -> None:
        for cart in carts:
            await shop.check_out(guest, cart)

    await asyncio.gather(sell(), receive(), receive(), sweep(), sweep(), buy())
    await sweep_shortages(shop)
    await sweep_backorders(shop)

    for one in placed:
        assert sum(
            sum(units.values()) for status, _, _, units in await fulfillments(shop, one) if status != "REJECTED"
        ) == sum(line["quantity"] for line in one.order["lines"])
    for sku in ("TEA", "POT"):
        for place in PLACES:
            on_hand, committed, shortage = await level_quantities(shop, sku, place)
            assert shortage == max(0, -on_hand), "promised units are there; only tills have sold units that were not"
            assert committed <= max(0, on_hand)
    async with shop.hub.database.transaction(notify=False) as session:
        assert await backorders.fill_waiting(session, 100) == 0
