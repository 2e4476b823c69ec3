"""Clocks of tills: skews are measured and corrected."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.shop import Shop
from tests.support.tills import now, on_hand, open_till, statuses

NEAR = timedelta(seconds=5)
"""The accuracy with which a test can predict what the hub measures."""


async def placed_at(shop: Shop, store: str = "S1") -> list[datetime]:
    """Return when the orders of a store were placed, the newest first."""
    found = await shop.staff.execute(
        "query ($l: String) { orders(location: $l) { edges { node { placedAt } } } }", l=shop.code(store)
    )
    return [datetime.fromisoformat(edge["node"]["placedAt"]) for edge in found["orders"]["edges"]]


def warnings(payload: dict[str, Any]) -> list[str]:
    return [warning["message"] for warning in payload["results"][0]["warnings"]]


@pytest.mark.parametrize("seconds", [-110, 0, 110])
async def test_a_skew_within_the_tolerance_is_not_corrected(shop: Shop, seconds: int) -> None:
    till, at = await open_till(shop), now(hours=1)

    payload = await till.send(till.sale(at, TEA=1, price=648), sent_at=now(seconds=-seconds))

    assert (statuses(payload), warnings(payload)) == (["APPLIED"], [])
    assert await placed_at(shop) == [at]


@pytest.mark.parametrize(
    ("minutes", "expected"), [(40, "40 minutes ahead"), (-40, "40 minutes behind"), (3, "3 minutes")]
)
async def test_a_skew_is_corrected_with_a_warning(shop: Shop, minutes: int, expected: str) -> None:
    till, at = await open_till(shop), now(hours=2)
    wrong = timedelta(minutes=minutes)

    payload = await till.send(till.sale(at + wrong, TEA=1, price=648), sent_at=now() + wrong)

    assert statuses(payload) == ["APPLIED"]
    (warning,) = warnings(payload)
    assert expected in warning and "corrected" in warning
    (placed,) = await placed_at(shop)
    assert abs(placed - at) < NEAR


async def test_a_future_time_is_replaced_with_a_warning(shop: Shop) -> None:
    till, before = await open_till(shop), now()

    payload = await till.send(till.sale(now(days=-365), TEA=1, price=648))

    assert statuses(payload) == ["APPLIED"]
    assert ["future" in warning for warning in warnings(payload)] == [True]
    (placed,) = await placed_at(shop)
    assert before - NEAR < placed < now() + NEAR
    assert await on_hand(shop) == -1


async def test_a_time_zone_offset_is_not_a_skew(shop: Shop) -> None:
    till, at, tokyo = await open_till(shop), now(hours=1), timezone(timedelta(hours=9))

    payload = await till.send(till.sale(at.astimezone(tokyo), TEA=1, price=648), sent_at=now().astimezone(tokyo))

    assert warnings(payload) == []
    assert await placed_at(shop) == [at]


@pytest.mark.parametrize("jitter", [20, -20])
async def test_network_delays_do_not_reorder_facts(shop: Shop, jitter: int) -> None:
    till, wrong, at = await open_till(shop), timedelta(minutes=40), now(hours=1) + timedelta(minutes=40)
    before, counted = till.stock_fact("RECEIPT", at - timedelta(seconds=1), TEA=9), till.stock_fact("COUNT", at, TEA=5)
    after = till.sale(at + timedelta(seconds=1), TEA=2)

    await till.verdicts(counted, sent_at=now() + wrong)
    await till.verdicts(after, before, sent_at=now() + wrong + timedelta(seconds=jitter))

    assert await on_hand(shop) == 3


async def test_a_skew_at_the_tolerance_does_not_alternate(shop: Shop) -> None:
    till, at = await open_till(shop), now(hours=1)
    counted, before = till.stock_fact("COUNT", at, TEA=5), till.stock_fact("RECEIPT", at - timedelta(minutes=1), TEA=9)

    await till.verdicts(counted, sent_at=now(seconds=-125))
    await till.verdicts(before, sent_at=now(seconds=-115))

    assert await on_hand(shop) == 5


async def test_a_clock_that_was_set_right_is_not_corrected_any_more(shop: Shop) -> None:
    till, at = await open_till(shop), now(hours=1)

    wrong = await till.send(till.stock_fact("RECEIPT", now(hours=2), TEA=1), sent_at=now(minutes=40))
    right = await till.send(till.sale(at, TEA=1, price=648))

    assert (len(warnings(wrong)), warnings(right)) == (1, [])
    assert await placed_at(shop) == [at]


async def test_counts_of_tills_with_different_clocks_are_ordered_by_the_hubs_clock(shop: Shop) -> None:
    fast, right, wrong = await open_till(shop), await open_till(shop), timedelta(minutes=40)

    await fast.verdicts(fast.stock_fact("COUNT", now(minutes=60) + wrong, TEA=10), sent_at=now() + wrong)
    await right.verdicts(right.sale(now(minutes=50), TEA=3), right.sale(now(minutes=70), TEA=4))

    assert await on_hand(shop) == 7


async def test_an_earlier_count_that_arrives_late_changes_nothing(shop: Shop) -> None:
    till = await open_till(shop)
    early, late = till.stock_fact("COUNT", now(hours=4), TEA=30), till.stock_fact("COUNT", now(hours=2), TEA=12)
    between, after = till.stock_fact("RECEIPT", now(hours=3), TEA=50), till.stock_fact("RECEIPT", now(hours=1), TEA=5)

    await till.verdicts(after, late)
    await till.verdicts(early, between)

    assert await on_hand(shop) == 17
    reasons = [edge["node"] for edge in (await shop.stock_level("TEA", "S1"))["movements"]["edges"]]
    assert {(m["reason"], m["quantity"], m["onHandDelta"]) for m in reasons} == {
        ("RECEIPT", 5, 5),
        ("COUNT", 12, 12),
        ("COUNT", 30, 0),
        ("RECEIPT", 50, 0),
    }


async def test_a_count_by_staff_is_a_barrier_for_tills(shop: Shop) -> None:
    till = await open_till(shop)
    change = {"sku": shop.sku("TEA"), "location": shop.code("S1"), "onHand": 20}
    await shop.staff.mutate(
        "mutation ($i: StockSetInput!) { stockSet(input: $i) { errors { code } } }",
        i={"changes": [change], "idempotencyKey": shop.suffix},
    )

    await till.verdicts(till.sale(now(hours=1), TEA=4), till.stock_fact("COUNT", now(hours=2), TEA=1))
    await till.verdicts(till.sale(TEA=3))

    assert await on_hand(shop) == 17
