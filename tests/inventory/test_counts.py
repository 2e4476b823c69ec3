"""stockSet: a count as of now, and a compare and set."""

from __future__ import annotations

from uuid import uuid4

from stockroom import adjust, codes, committed, count, shortages, variant_and_place

from shop import Shop
from uriba.core.actor import SYSTEM
from uriba.inventory import adjustments
from uriba.inventory.adjustments import Adjustment, LevelSetting
from uriba.inventory.models import StockReason


async def test_a_count_sets_on_hand_and_says_what_was_counted(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    payload = await count(shop, ("TEA", "S1", {"onHand": 7}), key="monday")

    assert payload["levels"][0]["onHand"] == 7
    movement = (await shop.level("TEA", "S1"))["movements"]["edges"][0]["node"]
    assert (movement["reason"], movement["quantity"], movement["onHandDelta"]) == ("COUNT", 7, -3)
    assert movement["reference"] == "count:monday"


async def test_a_count_that_finds_what_was_known_is_a_movement_of_nothing(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    await count(shop, ("TEA", "S1", {"onHand": 10}))

    movement = (await shop.level("TEA", "S1"))["movements"]["edges"][0]["node"]
    assert (movement["reason"], movement["quantity"], movement["onHandDelta"]) == ("COUNT", 10, 0)


async def test_another_on_hand_than_expected_refuses_all_rows(shop: Shop) -> None:
    await shop.receive(TEA_S1=10, POT_S1=4)

    payload = await count(
        shop,
        ("TEA", "S1", {"onHand": 1, "expectedOnHand": 10}),
        ("POT", "S1", {"onHand": 2, "expectedOnHand": 5}),
    )

    assert codes(payload) == [("VERSION_CONFLICT", ("changes", "1", "expectedOnHand"))]
    assert "4" in payload["errors"][0]["message"]
    assert [(await shop.level(sku, "S1"))["onHand"] for sku in ("TEA", "POT")] == [10, 4]


async def test_the_expected_on_hand_is_set(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    payload = await count(shop, ("TEA", "S1", {"onHand": 12, "expectedOnHand": 10}))

    assert payload["errors"] == []
    assert (await shop.level("TEA", "S1"))["onHand"] == 12


async def test_where_nothing_ever_was_nothing_is_expected(shop: Shop) -> None:
    refused = await count(shop, ("TEA", "S1", {"onHand": 12, "expectedOnHand": 1}))
    accepted = await count(shop, ("TEA", "S1", {"onHand": 12, "expectedOnHand": 0}))

    assert codes(refused) == [("VERSION_CONFLICT", ("changes", "0", "expectedOnHand"))]
    assert accepted["levels"][0]["onHand"] == 12


async def test_safety_stock_is_set_and_otherwise_stays(shop: Shop) -> None:
    await count(shop, ("TEA", "S1", {"onHand": 10, "safetyStock": 4}))

    payload = await count(shop, ("TEA", "S1", {"onHand": 9}))

    assert (payload["levels"][0]["safetyStock"], payload["levels"][0]["available"]) == (4, 5)


async def test_a_level_that_stands_twice_is_refused(shop: Shop) -> None:
    payload = await count(
        shop, ("TEA", "S1", {"onHand": 1}), ("TEA", "S2", {"onHand": 1}), ("TEA", "S1", {"onHand": 2})
    )

    assert codes(payload) == [("INVALID", ("changes", "2"))]


async def test_quantities_outside_of_zero_to_a_hundred_thousand_are_refused(shop: Shop) -> None:
    payload = await count(
        shop,
        ("TEA", "S1", {"onHand": -1}),
        ("POT", "S1", {"onHand": 100_001}),
        ("CUP", "S1", {"onHand": 0, "safetyStock": -1}),
        ("CUP", "S2", {"onHand": 100_000, "safetyStock": 100_000}),
    )

    assert codes(payload) == [
        ("INVALID_QUANTITY", ("changes", "0", "onHand")),
        ("INVALID_QUANTITY", ("changes", "1", "onHand")),
        ("INVALID_QUANTITY", ("changes", "2", "safetyStock")),
    ]


async def test_a_count_below_what_is_promised_opens_a_shortage(shop: Shop) -> None:
    await shop.receive(TEA_S1=6)
    await committed(shop, "TEA", 5)

    payload = await count(shop, ("TEA", "S1", {"onHand": 2}))

    assert payload["levels"][0]["shortage"] == 3
    async with shop.hub.database.reading() as session:
        assert await shortages(session, await variant_and_place(shop, "TEA", "S1")) == [(3, 0, False)]


async def test_the_same_key_counts_once(shop: Shop) -> None:
    key = uuid4().hex
    first = await count(shop, ("TEA", "S1", {"onHand": 5}), key=key)
    await adjust(shop, ("TEA", "S1", 3))

    again = await count(shop, ("TEA", "S1", {"onHand": 5}), key=key)
    other = await count(shop, ("TEA", "S1", {"onHand": 6}), key=key)

    assert first["errors"] == again["errors"] == []
    assert codes(other) == [("IDEMPOTENCY_KEY_REUSED", ("idempotencyKey",))]
    assert (await shop.level("TEA", "S1"))["onHand"] == 8


async def test_a_change_that_waited_for_a_count_happened_after_it(shop: Shop) -> None:
    """A count is a barrier: what the ledger adds to it must not bear an earlier moment, whoever began first."""
    level = await variant_and_place(shop, "TEA", "S1")
    tea, here = shop.sku("TEA"), shop.code("S1")
    async with shop.hub.database.transaction() as early:
        await early.fetchval("SELECT now()")

        async with shop.hub.database.transaction() as session:
            await adjustments.set_levels(session, actor=SYSTEM, changes=[LevelSetting(tea, here, 5)], reference="count")
        await adjustments.adjust(
            early, actor=SYSTEM, changes=[Adjustment(tea, here, 2)], reason=StockReason.RECEIPT, reference="late"
        )

    async with shop.hub.database.reading() as session:
        counted_at = await session.fetchval(
            "SELECT counted_at FROM stock_level WHERE (variant_id, location_id) = ($1, $2)", *level
        )
        moved = await session.fetch(
            "SELECT reason, occurred_at, recorded_at FROM stock_movement "
            "WHERE (variant_id, location_id) = ($1, $2) ORDER BY id",
            *level,
        )
    assert [row["reason"] for row in moved] == ["COUNT", "RECEIPT"]
    assert moved[0]["occurred_at"] == moved[0]["recorded_at"] == counted_at
    assert moved[1]["occurred_at"] == moved[1]["recorded_at"] > counted_at
