"""Concurrent posts: stock is never sold twice, no update is lost, and there are no deadlocks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import pytest

from tests.support.shop import Shop
from tests.support.stock_calls import adjust_stock, level_ids, set_stock
from tests.support.waiting import backend_pid, wait_until_blocked
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason
from uriba.inventory.errors import LedgerRefused
from uriba.inventory.ledger import Movement

Key = tuple[int, int]


def sale(key: Key, units: int = 1, *, guarded: bool = True) -> Movement:
    return Movement(
        variant_id=key[0],
        location_id=key[1],
        reason=StockReason.SALE,
        quantity=units,
        on_hand=-units,
        till_need=units if guarded else 0,
    )


async def on_hand(shop: Shop, key: Key) -> int:
    async with shop.hub.database.reading() as session:
        found: int = await session.fetchval(
            "SELECT on_hand FROM stock_level WHERE (variant_id, location_id) = ($1, $2)", *key
        )
    return found


async def count_true(tasks: Sequence[Awaitable[bool]]) -> int:
    return sum(await asyncio.gather(*tasks))


async def test_check_then_write_oversells_and_the_ledger_does_not(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=5)
    tea, pot = await level_ids(shop, "TEA", "S1"), await level_ids(shop, "POT", "S1")
    all_have_looked = asyncio.Barrier(15)

    async def check_then_sell() -> bool:
        enough = await on_hand(shop, tea) >= 1
        await all_have_looked.wait()
        if enough:
            async with shop.hub.database.transaction() as session:
                await ledger.post(session, [sale(tea, guarded=False)], reference="naive", actor="test")
        return enough

    async def sell() -> bool:
        try:
            async with shop.hub.database.transaction() as session:
                await ledger.post(session, [sale(pot)], reference="guarded", actor="test")
        except LedgerRefused as refused:
            assert [(r.why, r.available) for r in refused.refusals] == [("SHORT", 0)]
            return False
        return True

    assert await count_true([check_then_sell() for _ in range(15)]) > 5
    assert await count_true([sell() for _ in range(15)]) == 5
    assert await on_hand(shop, tea) < 0
    assert await on_hand(shop, pot) == 0
    await adjust_stock(shop, ("TEA", "S1", 15), reason="RECEIPT")


async def test_locking_in_the_callers_order_deadlocks_and_the_ledger_does_not(shop: Shop) -> None:
    await shop.receive(TEA_S1=20, POT_S1=20)
    tea, pot = await level_ids(shop, "TEA", "S1"), await level_ids(shop, "POT", "S1")

    async def one_by_one(keys: Sequence[Key], both: asyncio.Barrier) -> None:
        async with shop.hub.database.transaction() as session:
            await ledger.post(session, [sale(keys[0])], reference="one by one", actor="test")
            await both.wait()
            await ledger.post(session, [sale(keys[1])], reference="one by one", actor="test")

    async def at_once(keys: Sequence[Key], both: asyncio.Barrier) -> None:
        await both.wait()
        async with shop.hub.database.transaction() as session:
            await ledger.post(session, [sale(key) for key in keys], reference="at once", actor="test")

    async def outcomes(
        way: Callable[[Sequence[Key], asyncio.Barrier], Awaitable[None]],
    ) -> list[type[BaseException] | None]:
        both = asyncio.Barrier(2)
        found = await asyncio.gather(way([tea, pot], both), way([pot, tea], both), return_exceptions=True)
        return [type(each) if each is not None else None for each in found]

    assert asyncpg.DeadlockDetectedError in await outcomes(one_by_one)
    for _ in range(5):
        assert await outcomes(at_once) == [None, None]


@pytest.mark.parametrize(("there", "received", "sold"), [(1, 9, 5), (9, -4, 5), (0, 3, 3)])
async def test_a_sale_that_waited_for_a_lock_uses_the_newest_level(
    shop: Shop, there: int, received: int, sold: int
) -> None:
    """PostgreSQL checks constraints on the row that the statement saw first, too, so the new values must satisfy both."""
    tea = await level_ids(shop, "TEA", "S1")
    await set_stock(shop, ("TEA", "S1", {"onHand": there}))
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def sell() -> None:
        async with shop.hub.database.transaction() as session:
            pid.set_result(await backend_pid(session))
            await ledger.post(session, [sale(tea, sold)], reference="second", actor="test")

    async with shop.hub.database.transaction() as first:
        await ledger.post(first, [sale(tea, -received, guarded=False)], reference="first", actor="test")
        second = asyncio.create_task(sell())
        await wait_until_blocked(shop.hub.database, await pid)
    await second

    assert await on_hand(shop, tea) == there + received - sold


async def test_thirty_concurrent_posts_neither_deadlock_nor_lose_units(shop: Shop) -> None:
    names = [(sku, place) for sku in ("TEA", "POT", "CUP") for place in ("S1", "S2", "W1")]
    await shop.receive(**{f"{sku}_{place}": 20 for sku, place in names})
    keys = [await level_ids(shop, *name) for name in names]
    chance = random.Random(30)
    expected = dict.fromkeys(keys, 20)
    refused = 0

    async def post_some(given: list[tuple[Key, int]]) -> None:
        nonlocal refused
        movements = [
            Movement(
                variant_id=key[0],
                location_id=key[1],
                reason=StockReason.ADJUSTMENT,
                quantity=delta,
                on_hand=delta,
                floor=True,
            )
            for key, delta in given
        ]
        try:
            async with shop.hub.database.transaction() as session:
                await ledger.post(session, movements, reference="crowd", actor="test")
        except LedgerRefused:
            refused += 1
        else:
            for key, delta in given:
                expected[key] += delta

    def random_sales() -> list[tuple[Key, int]]:
        return [(key, chance.choice([-9, -4, -1, 1, 3])) for key in chance.choices(keys, k=chance.randint(2, 9))]

    async def run(calls: list[list[tuple[Key, int]]]) -> None:
        for given in calls:
            await post_some(given)

    await asyncio.gather(*(run([random_sales() for _ in range(6)]) for _ in range(30)))

    assert {key: await on_hand(shop, key) for key in keys} == expected
    assert 0 < refused < 180
    assert min(expected.values()) >= 0
