"""Eight tills of two stores come back at once, each sends its day in pieces, twice and out of order, while the web sells."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from doors import codes, pickup
from unguarded import level_of

from fulfillment.promises import somebody_waits_for
from patience import backend
from pos.tills import Fact, Till, conflicts, key_id, now, on_hand, open_till
from shop import Shop
from uriba.inventory import ledger
from uriba.inventory.ledger import StockFact as FactOfLevel
from uriba.inventory.models import StockReason
from uriba.orders import till_returns

STORES = ("S1", "S2")
GOODS = {"TEA": 648, "POT": 3300, "CUP": 13582}
FACTS = 40
"""Of each till."""


@dataclass
class Day:
    """What happened at one till, and what became of it."""

    till: Till
    facts: list[Fact] = field(default_factory=list)
    verdicts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    async def send(self, facts: Sequence[Fact]) -> None:
        payload = await self.till.send(*facts)
        assert not payload["errors"], payload
        for result in payload["results"]:
            self.verdicts[result["eventId"]][result["status"]] += 1


def happened(day: Day, chance: random.Random, sold: list[Fact], shop: Shop) -> Fact:
    """Something that a till may have seen within the last hours; prices are now and then none of the list's."""
    till, at = day.till, now(seconds=chance.uniform(600, 9_000))
    units = {sku: chance.randint(1, 3) for sku in chance.sample(sorted(GOODS), chance.randint(1, 3))}
    kind = chance.choice(["SALE", "SALE", "SALE", "RETURN", "RECEIPT", "DAMAGE", "ADJUSTMENT", "COUNT"])
    if kind == "SALE":
        sold.append({**till.sale(at, price=chance.choice([648, 999]), **units), "loyaltyCard": card(shop, chance)})
        return sold[-1]
    if kind == "RETURN" and sold:
        return {**till.moved("RETURN", at, **units), "originalReceipt": chance.choice(sold)["receipt"]}
    return till.moved(kind, at, **units)


def card(shop: Shop, chance: random.Random) -> str:
    return shop.code(f"CARD{chance.randint(1, 9)}")


def pieces(facts: Sequence[Fact], chance: random.Random) -> list[list[Fact]]:
    """Batches that overlap, shuffled within and among themselves; together they hold every fact, many of them again."""
    again = [*facts, *chance.sample(list(facts), len(facts) // 2)]
    chance.shuffle(again)
    made = [again[n : n + 9] for n in range(0, len(again), 6)]
    chance.shuffle(made)
    return made


async def buy(shop: Shop, times: int) -> int:
    """A web buyer takes what is there, for pickup in both stores; how many units were promised."""
    guest, bought = shop.guest("web"), 0
    for n in range(times):
        door = await pickup(shop, guest, STORES[n % 2], TEA=1, POT=1)
        payload = await door.pay()
        assert set(codes(payload)) <= {"OUT_OF_STOCK"}, payload
        bought += payload["order"] is not None
    return bought


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_levels_orders_and_ledger_are_what_happened(shop: Shop, seed: int) -> None:
    chance = random.Random(seed)
    await shop.receive(**{f"{sku}_{store}": 300 for sku in GOODS for store in STORES})
    days = [Day(await open_till(shop, STORES[n % 2])) for n in range(8)]
    sold: list[Fact] = []
    for _ in range(FACTS):
        for day in days:
            day.facts.append(happened(day, chance, sold, shop))

    bought, *_ = await asyncio.gather(
        buy(shop, 12), *(day.send(piece) for day in days for piece in pieces(day.facts, chance))
    )
    async with shop.hub.database.transaction() as session:
        await till_returns.link_waiting(session)

    assert bought > 0
    for day in days:
        assert {fact["eventId"] for fact in day.facts} == set(day.verdicts)
        assert all(found["APPLIED"] == 1 and not found["PARKED"] for found in day.verdicts.values())
    for store in STORES:
        await compare_levels(shop, store, [day for day in days if day.till.store == store])
        await compare_orders(shop, store, [f for d in days if d.till.store == store for f in d.facts])
    await compare_returns(shop, days, sold)
    found = [await conflicts(shop, store, k="PRICE_VARIANCE") for store in STORES]
    assert [Counter(case["variant"]["sku"] for case in cases) for cases in found] == [
        Counter(shop.sku(sku) for sku in GOODS)
    ] * 2


async def test_a_count_sees_what_was_sold_while_it_waited(shop: Shop) -> None:
    await shop.receive(TEA_S1=20)
    till, (variant_id, location_id) = await open_till(shop), await level_of(shop, "TEA", "S1")
    sale = FactOfLevel(
        variant_id=variant_id,
        location_id=location_id,
        reason=StockReason.SALE,
        quantity=3,
        on_hand=-3,
        occurred_at=now(),
        reference=f"test:{shop.mark}",
    )

    async with shop.hub.database.transaction() as session:
        await ledger.post_facts(session, [sale], actor="test")
        counting = asyncio.create_task(till.verdicts(till.moved("COUNT", now(hours=1), TEA=10)))
        await somebody_waits_for(shop.hub.database, await backend(session))

    assert await counting == ["APPLIED"]
    assert await on_hand(shop) == 10 + 20 - 3


async def compare_levels(shop: Shop, store: str, days: Sequence[Day]) -> None:
    """On hand is the last count and what came after it; the goods of today came after all of that."""
    ordered = sorted(
        ((fact["occurredAt"], key_id(day.till), fact["sequence"], fact) for day in days for fact in day.facts),
        key=lambda found: found[:3],
    )
    for sku in GOODS:
        shelf, unavailable, nominal = 0, 0, Counter[str]()
        for *_, fact in ordered:
            for line in fact["lines"]:
                if line["sku"] == shop.sku(sku):
                    nominal[fact["type"]] += line["quantity"]
                    shelf = after(shelf, fact["type"], line["quantity"])
                    unavailable += line["quantity"] if fact["type"] == "DAMAGE" else 0
        level = await shop.level(sku, store)
        assert (level["onHand"], level["unavailable"]) == (300 + shelf, unavailable)
        assert await moved(shop, sku, store) == nominal


def after(shelf: int, kind: str, quantity: int) -> int:
    match kind:
        case "COUNT":
            return quantity
        case "DAMAGE":
            return shelf
        case "SALE":
            return shelf - quantity
        case _:
            return shelf + quantity


async def moved(shop: Shop, sku: str, store: str) -> Counter[str]:
    """Units by reason in the ledger, as tills told of them."""
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
    """Each sale is one order, with its customer, at its price."""
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


async def compare_returns(shop: Shop, days: Sequence[Day], sold: Sequence[Fact]) -> None:
    """No more came back of a sale than was bought, and no less than could be, at whichever store."""
    bought = {sale["receipt"]: units(sale) for sale in sold}
    back: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for fact in (fact for day in days for fact in day.facts if "originalReceipt" in fact):
        back[fact["originalReceipt"]].update(units(fact))
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT o.receipt, l.sku, l.returned_quantity FROM orders o JOIN order_line l ON l.order_id = o.id "
            "WHERE o.receipt = ANY($1)",
            list(bought),
        )
    found = {(row["receipt"], row["sku"]): row["returned_quantity"] for row in rows}
    assert found == {(r, sku): min(n, back[r][sku]) for r, lines in bought.items() for sku, n in lines.items()}


def units(fact: dict[str, Any]) -> Counter[str]:
    return Counter({line["sku"]: line["quantity"] for line in fact["lines"]})
