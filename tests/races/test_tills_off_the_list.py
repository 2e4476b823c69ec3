"""Tills of one store print prices that are not the list's, in different orders: one case for each, and nobody waits
for somebody who waits."""

from __future__ import annotations

import asyncio
from collections import Counter

from pos.tills import conflicts, open_till, resolve
from shop import Shop

GOODS = ("TEA", "POT", "CUP")


async def test_wrong_prices_at_many_tills_at_once_open_one_case_each(shop: Shop) -> None:
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
