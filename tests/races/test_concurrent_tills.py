"""Eight tills of two stores send a day of facts at the same time, in overlapping and shuffled batches, while the web
shop sells. Levels, orders and the ledger must match the facts."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.buyers import codes, pickup_buyer
from tests.support.placed_orders import wait_until_blocked_by
from tests.support.races_without_guard import level_key
from tests.support.shop import Shop
from tests.support.tills import Fact, Till, conflicts, key_id, now, on_hand, open_till
from tests.support.waiting import backend_pid
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason
from uriba.inventory.ledger import StockFact as FactOfLevel
from uriba.orders import till_returns

STORES = ("S1", "S2")
GOODS = {"TEA": 648, "POT": 3300, "CUP": 13582}
FACTS_PER_TILL = 40


@dataclass
class TillDay:
    """The facts of one till, and the verdicts of the hub."""

    till: Till
    facts: list[Fact] = field(default_factory=list)
    verdicts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    async def send(self, facts: Sequence[Fact]) -> None:
        payload = await self.till.send(*facts)
        assert not payload["errors"], payload
        for result in payload["results"]:
            self.verdicts[result["eventId"]][result["status"]] += 1


def random_fact(day: TillDay, rng: random.Random, sold: list[Fact], shop: Shop) -> Fact:
    """Return a random fact of the last hours; some sales have a price that differs from the price list."""
    till, at = day.till, now(seconds=rng.uniform(600, 9_000))
    units = {sku: rng.randint(1, 3) for sku in rng.sample(sorted(GOODS), rng.randint(1, 3))}
    kind = rng.choice(["SALE", "SALE", "SALE", "RETURN", "RECEIPT", "DAMAGE", "ADJUSTMENT", "COUNT"])
    if kind == "SALE":
        sold.append({**till.sale(at, price=rng.choice([648, 999]), **units), "loyaltyCard": random_card(shop, rng)})
        return sold[-1]
    if kind == "RETURN" and sold:
        return {**till.stock_fact("RETURN", at, **units), "originalReceipt": rng.choice(sold)["receipt"]}
    return till.stock_fact(kind, at, **units)


def random_card(shop: Shop, rng: random.Random) -> str:
    return shop.code(f"CARD{rng.randint(1, 9)}")


def make_batches(facts: Sequence[Fact], rng: random.Random) -> list[list[Fact]]:
    """Return shuffled batches that overlap: each fact is in one batch at least, and half of them in two or more."""
    repeated = [*facts, *rng.sample(list(facts), len(facts) // 2)]
    rng.shuffle(repeated)
    batches = [repeated[n : n + 9] for n in range(0, len(repeated), 6)]
    rng.shuffle(batches)
    return batches


async def buy(shop: Shop, times: int) -> int:
    """Order in the web shop for pickup in both stores in turn; return how many orders were placed."""
    guest, orders = shop.guest("web"), 0
    for n in range(times):
        buyer = await pickup_buyer(shop, guest, STORES[n % 2], TEA=1, POT=1)
        payload = await buyer.pay()
        assert set(codes(payload)) <= {"OUT_OF_STOCK"}, payload
        orders += payload["order"] is not None
    return orders


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_levels_orders_and_ledger_match_the_facts_of_all_tills(shop: Shop, seed: int) -> None:
    rng = random.Random(seed)
    await shop.receive(**{f"{sku}_{store}": 300 for sku in GOODS for store in STORES})
    days = [TillDay(await open_till(shop, STORES[n % 2])) for n in range(8)]
    sold: list[Fact] = []
    for _ in range(FACTS_PER_TILL):
        for day in days:
            day.facts.append(random_fact(day, rng, sold, shop))

    web_orders, *_ = await asyncio.gather(
        buy(shop, 12), *(day.send(batch) for day in days for batch in make_batches(day.facts, rng))
    )
    async with shop.hub.database.transaction() as session:
        await till_returns.link_recent(session)

    assert web_orders > 0
    for day in days:
        assert {fact["eventId"] for fact in day.facts} == set(day.verdicts)
        assert all(counts["APPLIED"] == 1 and not counts["PARKED"] for counts in day.verdicts.values())
    for store in STORES:
        await compare_levels(shop, store, [day for day in days if day.till.store == store])
        await compare_orders(shop, store, [f for d in days if d.till.store == store for f in d.facts])
    await compare_returns(shop, days, sold)
    conflicts_by_store = [await conflicts(shop, store, k="PRICE_VARIANCE") for store in STORES]
    assert [Counter(case["variant"]["sku"] for case in cases) for cases in conflicts_by_store] == [
        Counter(shop.sku(sku) for sku in GOODS)
    ] * 2


async def test_a_count_includes_a_sale_that_commits_while_the_count_waits_for_the_level(shop: Shop) -> None:
    await shop.receive(TEA_S1=20)
    till, (variant_id, location_id) = await open_till(shop), await level_key(shop, "TEA", "S1")
    sale = FactOfLevel(
        variant_id=variant_id,
        location_id=location_id,
        reason=StockReason.SALE,
        quantity=3,
        on_hand=-3,
        occurred_at=now(),
        reference=f"test:{shop.suffix}",
    )

    async with shop.hub.database.transaction() as session:
        await ledger.post_facts(session, [sale], actor="test")
        counting = asyncio.create_task(till.verdicts(till.stock_fact("COUNT", now(hours=1), TEA=10)))
        await wait_until_blocked_by(shop.hub.database, await backend_pid(session))

    assert await counting == ["APPLIED"]
    assert await on_hand(shop) == 10 + 20 - 3


async def compare_levels(shop: Shop, store: str, days: Sequence[TillDay]) -> None:
    """Check that on hand is the last count plus later facts, plus the 300 units received after all of them."""
    ordered = sorted(
        ((fact["occurredAt"], key_id(day.till), fact["sequence"], fact) for day in days for fact in day.facts),
        key=lambda entry: entry[:3],
    )
    for sku in GOODS:
        on_hand_change, unavailable, expected = 0, 0, Counter[str]()
        for *_, fact in ordered:
            for line in fact["lines"]:
                if line["sku"] == shop.sku(sku):
                    expected[fact["type"]] += line["quantity"]
                    on_hand_change = on_hand_after(on_hand_change, fact["type"], line["quantity"])
                    unavailable += line["quantity"] if fact["type"] == "DAMAGE" else 0
        level = await shop.stock_level(sku, store)
        assert (level["onHand"], level["unavailable"]) == (300 + on_hand_change, unavailable)
        assert await ledger_units(shop, sku, store) == expected


def on_hand_after(on_hand: int, kind: str, quantity: int) -> int:
    match kind:
        case "COUNT":
            return quantity
        case "DAMAGE":
            return on_hand
        case "SALE":
            return on_hand - quantity
        case _:
            return on_hand + quantity


async def ledger_units(shop: Shop, sku: str, store: str) -> Counter[str]:
    """Return the units in the ledger by reason, of the movements that tills reported."""
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT m.reason, sum(m.quantity)::bigint AS units FROM stock_movement m JOIN variant v ON v.id = m.variant_id "
            "JOIN location l ON l.id = m.location_id WHERE v.sku = $1 AND l.code = $2 AND m.reference LIKE 'pos:%' "
            "GROUP BY 1",
            shop.sku(sku),
            shop.code(store),
        )
    return Counter({row["reason"]: row["units"] for row in rows})


async def compare_orders(shop: Shop, store: str, facts: Sequence[Fact]) -> None:
    """Check that each sale is one order with its customer and its price."""
    expected = {
        fact["receipt"]: (int(fact["tenders"][0]["amount"]), fact["loyaltyCard"])
        for fact in facts
        if fact["type"] == "SALE"
    }
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT o.receipt, o.total_minor, c.loyalty_card FROM orders o JOIN location l ON l.id = o.location_id "
            "JOIN customer c ON c.id = o.customer_id WHERE l.code = $1 AND o.receipt IS NOT NULL",
            shop.code(store),
        )
    assert len(rows) == len(expected)
    assert {row["receipt"]: (row["total_minor"], row["loyalty_card"]) for row in rows} == expected


async def compare_returns(shop: Shop, days: Sequence[TillDay], sold: Sequence[Fact]) -> None:
    """Check that returned units are those reported by all stores, but at most the units sold."""
    sold_units = {sale["receipt"]: units(sale) for sale in sold}
    reported: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for fact in (fact for day in days for fact in day.facts if "originalReceipt" in fact):
        reported[fact["originalReceipt"]].update(units(fact))
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT o.receipt, l.sku, l.returned_quantity FROM orders o JOIN order_line l ON l.order_id = o.id "
            "WHERE o.receipt = ANY($1)",
            list(sold_units),
        )
    returned = {(row["receipt"], row["sku"]): row["returned_quantity"] for row in rows}
    assert returned == {
        (r, sku): min(n, reported[r][sku]) for r, lines in sold_units.items() for sku, n in lines.items()
    }


def units(fact: dict[str, Any]) -> Counter[str]:
    return Counter({line["sku"]: line["quantity"] for line in fact["lines"]})
