"""Journey B: a store is offline for six hours; what its till says afterwards ends as on the store's shelf."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from client import Client
from pos.tills import Fact, Till, conflicts, now, open_till
from shop import ORDER, Shop
from uriba.worker import sweeps

GOODS = {"TEA": 648, "POT": 3300, "CUP": 13582}
WRONG = timedelta(minutes=40)
"""How far the till's clock is ahead."""

SALES, HOURS = 400, 6
STOLEN = 7
"""POT that the stocktake does not find."""


@dataclass
class Shelf:
    """What really is in the store, and the till's journal of it."""

    till: Till
    units: Counter[str]
    journal: list[Fact] = field(default_factory=list)
    money: int = 0

    def sell(self, hours: float, units: dict[str, int]) -> None:
        lines = [self.till.line(sku, n, unitPrice=str(GOODS[sku])) for sku, n in units.items()]
        total = sum(GOODS[sku] * n for sku, n in units.items())
        fact = self.till.fact("SALE", lines, now(hours=hours) + WRONG, receipt=f"R{len(self.journal)}")
        self.journal.append({**fact, "tenders": [{"method": "CASH", "amount": str(total)}]})
        self.units.subtract(units)
        self.money += total

    def take_stock(self, hours: float) -> None:
        self.units["POT"] -= STOLEN
        self.journal.append(self.till.moved("COUNT", now(hours=hours) + WRONG, **self.units))

    def take_back(self, hours: float, sale: Fact, sku: str) -> None:
        price = str(GOODS[sku])
        fact = self.till.fact("RETURN", [self.till.line(sku, 1, unitPrice=price)], now(hours=hours) + WRONG)
        tenders = [{"method": "CASH", "amount": price}]
        self.journal.append({**fact, "originalReceipt": sale["receipt"], "tenders": tenders})
        self.units[sku] += 1


def live(shelf: Shelf, chance: random.Random) -> None:
    """Six hours: a sale a minute or so, in the middle a stocktake, later a cup comes back."""
    for n in range(SALES):
        at = HOURS - HOURS * n / SALES
        if n == SALES // 2:
            shelf.take_stock(at)
        if n == SALES * 3 // 4:
            cups = [f for f in shelf.journal if f["type"] == "SALE" and f["lines"][0]["sku"].startswith("CUP")]
            shelf.take_back(at, cups[0], "CUP")
        # The first sku of a sale is one; the last sales leave one TEA for two promises of the web.
        shelf.sell(at, {chance.choice(sorted(GOODS)): 1} if n < SALES - 1 else {"TEA": shelf.units["TEA"] - 1})


def deliveries(journal: Sequence[Fact], chance: random.Random) -> list[list[Fact]]:
    """Every batch twice, none in order, facts shuffled within."""
    batches = [list(journal[n : n + 50]) for n in range(0, len(journal), 50)] * 2
    for batch in batches:
        chance.shuffle(batch)
    chance.shuffle(batches)
    return batches


async def promised(shop: Shop, client: Client, units: int) -> dict[str, Any]:
    """The web sells TEA for pickup in the store."""
    chosen = await shop.fulfil(client, await shop.cart(client, TEA=units), "PICKUP", location="S1")
    paid = await shop.check_out(client, chosen["cart"], email="hana@example.com")
    assert not paid["errors"], paid
    return paid["order"]  # type: ignore[no-any-return]


async def read(shop: Shop, order: dict[str, Any]) -> dict[str, Any]:
    query = f"query ($o: ID!) {{ order(id: $o) {{ {ORDER.replace('timeline { type', 'timeline { data type')} }} }}"
    return (await shop.staff.run(query, o=order["id"]))["order"]  # type: ignore[no-any-return]


async def test_levels_end_as_on_the_shelf_and_promises_are_kept_or_told(shop: Shop) -> None:
    chance = random.Random(20)
    stocked = Counter({"TEA": 300, "POT": 300, "CUP": 300})
    morning = await open_till(shop)
    assert await morning.verdicts(morning.moved("RECEIPT", now(hours=8), **stocked)) == ["APPLIED"]
    till, web = await open_till(shop), shop.guest("web")
    shelf = Shelf(till, stocked.copy())
    live(shelf, chance)
    first, second = await promised(shop, web, 1), await promised(shop, web, 2)

    answers = [await till.send(*batch, sent_at=now() + WRONG) for batch in deliveries(shelf.journal, chance)]

    verdicts = Counter(result["status"] for answer in answers for result in answer["results"])
    assert verdicts == {"APPLIED": len(shelf.journal), "DUPLICATE": len(shelf.journal)}
    assert (max(a["acknowledged"] for a in answers), answers[-1]["missing"]) == (len(shelf.journal), [])
    for sku, units in shelf.units.items():
        assert (sku, (await shop.level(sku, "S1"))["onHand"]) == (sku, units)
    await compare_book(shop, shelf)

    assert sum(answer["shortages"] for answer in answers) >= 2
    await sweeps.resource_shortages(shop.hub.work)
    await sweeps.serve_backorders(shop.hub.work)
    kept, late = await read(shop, first), await read(shop, second)
    assert [f["status"] for f in kept["fulfillments"]] == ["ALLOCATED"]
    assert "BACKORDERED" in [f["status"] for f in late["fulfillments"]]
    said = [line["data"] for line in late["timeline"] if line["type"] == "fulfillment.updated"]
    assert ("BACKORDERED", "SHORTAGE") in [(data["status"], data.get("reason")) for data in said]
    assert await conflicts(shop, k="SHORTAGE", s="OPEN") == []

    # The next delivery keeps the promise.
    later = await till.send(till.moved("RECEIPT", now() + WRONG, TEA=20), sent_at=now() + WRONG)
    assert later["results"][0]["status"] == "APPLIED"
    served = await read(shop, second)
    assert "BACKORDERED" not in [f["status"] for f in served["fulfillments"]]


async def compare_book(shop: Shop, shelf: Shelf) -> None:
    """Each sale is in the order book once, at its time and price; the cup went back into its own."""
    async with shop.hub.database.reading() as session:
        row = await session.fetchrow(
            "SELECT count(*) AS sales, sum(total_minor)::bigint AS money, sum(refunded_minor)::bigint AS back, "
            "max(placed_at) <= now() AS past, min(placed_at) > now() - interval '6 hours 1 minute' AS today "
            "FROM orders WHERE receipt IS NOT NULL AND location_id = (SELECT id FROM location WHERE code = $1)",
            shop.code("S1"),
        )
    assert row is not None
    assert (row["sales"], row["money"], row["back"]) == (SALES, shelf.money, GOODS["CUP"])
    assert (row["past"], row["today"]) == (True, True)
