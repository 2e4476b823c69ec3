"""posSync: events in any order and any number of times are each applied once."""

from __future__ import annotations

from tests.support.shop import Shop
from tests.support.tills import conflicts, now, on_hand, open_till, orders, reasons, statuses


async def test_a_sale_becomes_a_completed_order_with_the_tills_prices(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    till = await open_till(shop)
    sale = till.sale(TEA=2, price=650)

    payload = await till.send(sale)

    assert statuses(payload) == ["APPLIED"]
    assert (payload["acknowledged"], payload["missing"], payload["shortages"]) == (1, [], 0)
    assert await on_hand(shop) == 8
    (order,) = await orders(shop)
    assert (order["status"], order["paymentStatus"], order["total"]["amount"]) == ("COMPLETED", "PAID", "1300")
    assert [(p["method"], p["amount"]["amount"]) for p in order["payments"]] == [("CASH", "1300")]


async def test_a_repeated_event_is_a_duplicate_and_changes_nothing(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    till = await open_till(shop)
    facts = [till.sale(TEA=1), till.stock_fact("RECEIPT", TEA=5), till.stock_fact("DAMAGE", TEA=2)]

    first = await till.verdicts(*facts)
    again = await till.verdicts(*reversed(facts), facts[0])

    assert (first, again) == (["APPLIED"] * 3, ["DUPLICATE"] * 4)
    level = await shop.stock_level("TEA", "S1")
    assert (level["onHand"], level["unavailable"], level["available"]) == (14, 2, 12)


async def test_reports_gaps_until_they_are_filled(shop: Shop) -> None:
    till = await open_till(shop)
    facts = [till.stock_fact("RECEIPT", TEA=1) for _ in range(7)]

    partly = await till.send(facts[0], facts[3], facts[6])
    filled = await till.send(*facts[1:6])

    assert partly["acknowledged"] == 1
    assert partly["missing"] == [{"from": 2, "to": 3}, {"from": 5, "to": 6}]
    assert statuses(filled) == ["APPLIED", "APPLIED", "DUPLICATE", "APPLIED", "APPLIED"]
    assert (filled["acknowledged"], filled["missing"]) == (7, [])
    assert await on_hand(shop) == 7


async def test_parks_one_invalid_fact_and_applies_the_others_of_the_batch(shop: Shop) -> None:
    till = await open_till(shop)
    unknown = till.fact("RECEIPT", [{"sku": "no-such-sku", "quantity": 1}])

    payload = await till.send(till.stock_fact("RECEIPT", TEA=3), unknown, till.stock_fact("RECEIPT", TEA=4))
    again = await till.send(unknown)

    assert statuses(payload) == ["APPLIED", "PARKED", "APPLIED"]
    assert reasons(payload)[1] == [("NOT_FOUND", ("lines", "0", "sku"))]
    assert (statuses(again), reasons(again)) == (["PARKED"], [reasons(payload)[1]])
    assert payload["acknowledged"] == 3
    assert await on_hand(shop) == 7
    (case,) = await conflicts(shop, k="PARKED")
    assert case["event"]["eventId"] == unknown["eventId"]


async def test_a_count_is_a_barrier_for_earlier_facts(shop: Shop) -> None:
    till = await open_till(shop)
    received = till.stock_fact("RECEIPT", now(hours=5), TEA=20)
    before, counted = till.sale(now(hours=4), TEA=3), till.stock_fact("COUNT", now(hours=3), TEA=15)
    after = till.sale(now(hours=2), TEA=2)

    await till.verdicts(counted)
    await till.verdicts(after, before)
    await till.verdicts(received)

    assert await on_hand(shop) == 13
