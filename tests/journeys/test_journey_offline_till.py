"""Journey B: a till is offline for six hours, then sends its journal; the levels end as the real stock of the store."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.support.client import Client
from tests.support.shop import ORDER, Shop
from tests.support.tills import Fact, Till, conflicts, now, open_till
from uriba.worker import sweeps

GOODS = {"TEA": 648, "POT": 3300, "CUP": 13582}
CLOCK_AHEAD = timedelta(minutes=40)

SALES, HOURS = 400, 6
STOLEN_POTS = 7
"""Units of POT that the stocktake does not find."""


@dataclass
class OfflineStore:
    """The real stock of the store, and the journal of its till."""

    till: Till
    units: Counter[str]
    journal: list[Fact] = field(default_factory=list)
    revenue: int = 0

    def sell(self, hours: float, units: dict[str, int]) -> None:
        lines = [self.till.line(sku, n, unitPrice=str(GOODS[sku])) for sku, n in units.items()]
        total = sum(GOODS[sku] * n for sku, n in units.items())
        fact = self.till.fact("SALE", lines, now(hours=hours) + CLOCK_AHEAD, receipt=f"R{len(self.journal)}")
        self.journal.append({**fact, "tenders": [{"method": "CASH", "amount": str(total)}]})
        self.units.subtract(units)
        self.revenue += total

    def take_stock(self, hours: float) -> None:
        self.units["POT"] -= STOLEN_POTS
        self.journal.append(self.till.stock_fact("COUNT", now(hours=hours) + CLOCK_AHEAD, **self.units))

    def take_back(self, hours: float, sale: Fact, sku: str) -> None:
        price = str(GOODS[sku])
        fact = self.till.fact("RETURN", [self.till.line(sku, 1, unitPrice=price)], now(hours=hours) + CLOCK_AHEAD)
        tenders = [{"method": "CASH", "amount": price}]
        self.journal.append({**fact, "originalReceipt": sale["receipt"], "tenders": tenders})
        self.units[sku] += 1


def run_six_hours(store: OfflineStore, rng: random.Random) -> None:
    """Sell about once a minute; take stock after half of the time, and take back a cup after three quarters."""
    for n in range(SALES):
        at = HOURS - HOURS * n / SALES
        if n == SALES // 2:
            store.take_stock(at)
        if n == SALES * 3 // 4:
            cups = [f for f in store.journal if f["type"] == "SALE" and f["lines"][0]["sku"].startswith("CUP")]
            store.take_back(at, cups[0], "CUP")
        # The last sale leaves one TEA, but the web shop has promised it to two orders.
        store.sell(at, {rng.choice(sorted(GOODS)): 1} if n < SALES - 1 else {"TEA": store.units["TEA"] - 1})


def batches_to_send(journal: Sequence[Fact], rng: random.Random) -> list[list[Fact]]:
    """Return every batch twice, in random order, with their facts shuffled."""
    batches = [list(journal[n : n + 50]) for n in range(0, len(journal), 50)] * 2
    for batch in batches:
        rng.shuffle(batch)
    rng.shuffle(batches)
    return batches


async def order_for_pickup(shop: Shop, client: Client, units: int) -> dict[str, Any]:
    """Order TEA in the web shop for pickup in the store."""
    chosen = await shop.set_fulfillment(client, await shop.create_cart(client, TEA=units), "PICKUP", location="S1")
    paid = await shop.check_out(client, chosen["cart"], email="hana@example.com")
    assert not paid["errors"], paid
    return paid["order"]  # type: ignore[no-any-return]


async def read_order(shop: Shop, order: dict[str, Any]) -> dict[str, Any]:
    query = f"query ($o: ID!) {{ order(id: $o) {{ {ORDER.replace('timeline { type', 'timeline { data type')} }} }}"
    return (await shop.staff.execute(query, o=order["id"]))["order"]  # type: ignore[no-any-return]


async def test_levels_equal_the_real_stock_and_broken_promises_are_backordered(shop: Shop) -> None:
    rng = random.Random(20)
    stocked = Counter({"TEA": 300, "POT": 300, "CUP": 300})
    receiving_till = await open_till(shop)
    assert await receiving_till.verdicts(receiving_till.stock_fact("RECEIPT", now(hours=8), **stocked)) == ["APPLIED"]
    till, web = await open_till(shop), shop.guest("web")
    store = OfflineStore(till, stocked.copy())
    run_six_hours(store, rng)
    first, second = await order_for_pickup(shop, web, 1), await order_for_pickup(shop, web, 2)

    answers = [await till.send(*batch, sent_at=now() + CLOCK_AHEAD) for batch in batches_to_send(store.journal, rng)]

    verdicts = Counter(result["status"] for answer in answers for result in answer["results"])
    assert verdicts == {"APPLIED": len(store.journal), "DUPLICATE": len(store.journal)}
    assert (max(a["acknowledged"] for a in answers), answers[-1]["missing"]) == (len(store.journal), [])
    for sku, units in store.units.items():
        assert (sku, (await shop.stock_level(sku, "S1"))["onHand"]) == (sku, units)
    await compare_orders(shop, store)

    assert sum(answer["shortages"] for answer in answers) >= 2
    await sweeps.resource_shortages(shop.hub.work)
    await sweeps.serve_backorders(shop.hub.work)
    kept, late = await read_order(shop, first), await read_order(shop, second)
    assert [f["status"] for f in kept["fulfillments"]] == ["ALLOCATED"]
    assert "BACKORDERED" in [f["status"] for f in late["fulfillments"]]
    updates = [line["data"] for line in late["timeline"] if line["type"] == "fulfillment.updated"]
    assert ("BACKORDERED", "SHORTAGE") in [(data["status"], data.get("reason")) for data in updates]
    assert await conflicts(shop, k="SHORTAGE", s="OPEN") == []

    # Newly received units serve the back-order.
    later = await till.send(till.stock_fact("RECEIPT", now() + CLOCK_AHEAD, TEA=20), sent_at=now() + CLOCK_AHEAD)
    assert later["results"][0]["status"] == "APPLIED"
    served = await read_order(shop, second)
    assert "BACKORDERED" not in [f["status"] for f in served["fulfillments"]]


async def compare_orders(shop: Shop, store: OfflineStore) -> None:
    """Check that each sale is one order with its time and price, and that the cup was refunded."""
    async with shop.hub.database.reading() as session:
        row = await session.fetchrow(
            "SELECT count(*) AS sales, sum(total_minor)::bigint AS money, sum(refunded_minor)::bigint AS back, "
            "max(placed_at) <= now() AS past, min(placed_at) > now() - interval '6 hours 1 minute' AS today "
            "FROM orders WHERE receipt IS NOT NULL AND location_id = (SELECT id FROM location WHERE code = $1)",
            shop.code("S1"),
        )
    assert row is not None
    assert (row["sales"], row["money"], row["back"]) == (SALES, store.revenue, GOODS["CUP"])
    assert (row["past"], row["today"]) == (True, True)
