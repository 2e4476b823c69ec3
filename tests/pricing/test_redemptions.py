"""Redemptions of coupons: concurrent orders respect the limits, and a reversal counts once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest

from tests.support.shop import ERRORS, Shop
from uriba.core.ids import new_id
from uriba.pricing import redemptions
from uriba.pricing.coupons import CouponUsedUp

WRITE = f"mutation ($p: [PromotionInput!]!) {{ promotionsUpsert(promotions: $p) {{ count {ERRORS} }} }}"
HAND_OUT = f"mutation ($c: [CouponInput!]!) {{ couponsUpsert(coupons: $c) {{ count {ERRORS} }} }}"


class Till:
    """Redeems coupons for orders that are never placed, and reverses all redemptions at the end."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.orders: list[UUID] = []

    async def coupon(self, name: str, **given: int) -> int:
        """Create a coupon; return its id."""
        code = self.shop.code(name)
        row = {"code": code, "name": "x", "effect": "FREE_SHIPPING", "channels": [], "needsCoupon": True}
        assert (await self.shop.staff.mutate(WRITE, p=[row]))["count"] == 1
        assert (await self.shop.staff.mutate(HAND_OUT, c=[{"code": code, "promotion": code} | given]))["count"] == 1
        async with self.shop.hub.database.reading() as session:
            found: int = await session.fetchval("SELECT id FROM coupon WHERE code = $1", code.upper())
        return found

    async def customer(self) -> UUID:
        await self.shop.customer()
        async with self.shop.hub.database.reading() as session:
            found: UUID = await session.fetchval(
                "SELECT id FROM customer WHERE loyalty_card = $1", self.shop.code("HANA")
            )
        return found

    async def use(self, *coupons: int, customer_id: UUID | None = None) -> bool:
        """Return whether an order could redeem these coupons."""
        order_id = new_id()
        self.orders.append(order_id)
        try:
            async with self.shop.hub.database.transaction() as session:
                await redemptions.redeem(session, order_id=order_id, customer_id=customer_id, coupons=coupons)
        except CouponUsedUp:
            return False
        return True

    async def reverse(self, orders: Sequence[UUID]) -> None:
        for order_id in orders:
            async with self.shop.hub.database.transaction() as session:
                await redemptions.reverse(session, order_id=order_id)

    async def used(self, coupon: int) -> tuple[int, int]:
        """Return the coupon's counter, and the number of redemptions that are not reversed."""
        async with self.shop.hub.database.reading() as session:
            row = await session.fetchrow(
                "SELECT used, (SELECT count(*) FROM coupon_redemption WHERE coupon_id = u.id AND reversed_at IS NULL) "
                "AS standing FROM coupon u WHERE id = $1",
                coupon,
            )
        assert row is not None
        return row["used"], row["standing"]


@pytest.fixture
async def till(shop: Shop) -> AsyncIterator[Till]:
    found = Till(shop)
    yield found
    await found.reverse(found.orders)


async def test_fifty_concurrent_orders_redeem_at_most_the_limit(till: Till) -> None:
    coupon = await till.coupon("TEN", usageLimit=10)

    outcomes = await asyncio.gather(*(till.use(coupon) for _ in range(50)))

    assert (sum(outcomes), await till.used(coupon)) == (10, (10, 10))


async def test_concurrent_orders_of_one_customer_respect_the_customer_limit(till: Till) -> None:
    coupon, hana = await till.coupon("TWO", perCustomerLimit=2), await till.customer()

    outcomes = await asyncio.gather(*(till.use(coupon, customer_id=hana) for _ in range(20)))

    assert (sum(outcomes), await till.used(coupon)) == (2, (2, 2))


async def test_without_the_lock_one_customer_exceeds_the_limit(till: Till) -> None:
    """Show the race that the coupon's lock prevents: both orders count before either has committed."""
    coupon, hana = await till.coupon("RACE", perCustomerLimit=1), await till.customer()
    orders = [new_id(), new_id()]
    till.orders += orders
    both_counted = asyncio.Barrier(2)

    async def keep(order_id: UUID) -> int:
        async with till.shop.hub.database.transaction() as session:
            kept = await session.fetch(redemptions._RECORD, coupon_ids=[coupon], order_id=order_id, customer_id=hana)
            await both_counted.wait()
            await session.run("UPDATE coupon SET used = used + 1 WHERE id = $1", coupon)
        return len(kept)

    assert await asyncio.gather(*(keep(order_id) for order_id in orders)) == [1, 1]


async def test_several_coupons_are_redeemed_all_or_nothing(till: Till) -> None:
    one, other = await till.coupon("ONE", usageLimit=1), await till.coupon("OTHER", usageLimit=9)
    assert await till.use(one)

    assert not await till.use(other, one)
    assert await till.used(other) == (0, 0)


async def test_redemptions_of_several_coupons_in_any_order_do_not_deadlock(till: Till) -> None:
    pair = [await till.coupon(f"P{n}", usageLimit=100) for n in range(2)]

    outcomes = await asyncio.gather(*(till.use(*pair[:: 1 if n % 2 else -1]) for n in range(40)))

    assert all(outcomes)
    assert [await till.used(coupon) for coupon in pair] == [(40, 40)] * 2


async def test_refuses_a_coupon_with_a_customer_limit_for_guests(till: Till) -> None:
    assert not await till.use(await till.coupon("MINE", perCustomerLimit=5))


async def test_reversing_twice_counts_once(till: Till) -> None:
    coupon = await till.coupon("BACK", usageLimit=3)
    assert await till.use(coupon)
    assert await till.use(coupon)

    (first, _) = till.orders
    for _ in range(3):
        async with till.shop.hub.database.transaction() as session:
            await redemptions.reverse(session, order_id=first)

    assert await till.used(coupon) == (1, 1)


async def test_concurrent_redemptions_and_reversals_leave_a_correct_count(till: Till) -> None:
    coupon = await till.coupon("BUSY", usageLimit=10)
    assert all([await till.use(coupon) for _ in range(10)])

    before = [*till.orders]

    coming = asyncio.gather(*(till.use(coupon) for _ in range(10)))
    outcomes, _ = await asyncio.gather(coming, till.reverse(before))

    used, standing = await till.used(coupon)
    assert used == standing == sum(outcomes)
