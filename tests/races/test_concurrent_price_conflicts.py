"""Tills of one store report sales with wrong prices at the same time, in different orders: one conflict is opened per
variant, without a deadlock."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.support.shop import Shop
from tests.support.tills import conflicts, open_till, resolve

GOODS = ("TEA", "POT", "CUP")


async def test_concurrent_wrong_prices_open_one_conflict_per_variant(shop: Shop) -> None:
    tills = [await open_till(shop) for _ in range(6)]
    for _ in range(6):
        orders = [GOODS if n % 2 else GOODS[::-1] for n in range(len(tills))]

        verdicts = await asyncio.gather(
            *(
                till.verdicts(*(till.sale(price=1, **{sku: 1}) for sku in order))
                for till, order in zip(tills, orders, strict=True)
            )
        )

        assert verdicts == [["APPLIED"] * 3] * 6
        cases = await conflicts(shop, k="PRICE_VARIANCE", s="OPEN")
        assert Counter(case["variant"]["sku"] for case in cases) == Counter(shop.sku(sku) for sku in GOODS)
        for case in cases:
            await resolve(shop, case, "DISMISS", note="Seen.")
