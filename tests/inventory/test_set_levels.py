"""stockSet: sets on hand as a count as of now, or only where it is as expected."""

from __future__ import annotations

from uuid import uuid4

from tests.support.shop import Shop
from tests.support.stock_calls import adjust_stock, codes, level_ids, place_pickup_order, set_stock, shortages
from uriba.core.actor import SYSTEM
from uriba.inventory import adjustments
from uriba.inventory.adjustments import Adjustment, LevelSetting
from uriba.inventory.enums import StockReason


async def test_sets_on_hand_and_records_the_counted_quantity(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    payload = await set_stock(shop, ("TEA", "S1", {"onHand": 7}), key="monday")

    assert payload["levels"][0]["onHand"] == 7
    movement = (await shop.stock_level("TEA", "S1"))["movements"]["edges"][0]["node"]
    assert (movement["reason"], movement["quantity"], movement["onHandDelta"]) == ("COUNT", 7, -3)
    assert movement["reference"] == "count:monday"


async def test_an_unchanged_on_hand_is_a_movement_of_zero(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    await set_stock(shop, ("TEA", "S1", {"onHand": 10}))

    movement = (await shop.stock_level("TEA", "S1"))["movements"]["edges"][0]["node"]
    assert (movement["reason"], movement["quantity"], movement["onHandDelta"]) == ("COUNT", 10, 0)


async def test_refuses_all_rows_when_on_hand_is_not_as_expected(shop: Shop) -> None:
    await shop.receive(TEA_S1=10, POT_S1=4)

    payload = await set_stock(
        shop,
        ("TEA", "S1", {"onHand": 1, "expectedOnHand": 10}),
        ("POT", "S1", {"onHand": 2, "expectedOnHand": 5}),
    )

    assert codes(payload) == [("VERSION_CONFLICT", ("changes", "1", "expectedOnHand"))]
    assert "4" in payload["errors"][0]["message"]
    assert [(await shop.stock_level(sku, "S1"))["onHand"] for sku in ("TEA", "POT")] == [10, 4]


async def test_sets_on_hand_when_it_is_as_expected(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)

    payload = await set_stock(shop, ("TEA", "S1", {"onHand": 12, "expectedOnHand": 10}))

    assert payload["errors"] == []
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 12


async def test_a_new_level_is_expected_to_have_zero_on_hand(shop: Shop) -> None:
    refused = await set_stock(shop, ("TEA", "S1", {"onHand": 12, "expectedOnHand": 1}))
    accepted = await set_stock(shop, ("TEA", "S1", {"onHand": 12, "expectedOnHand": 0}))

    assert codes(refused) == [("VERSION_CONFLICT", ("changes", "0", "expectedOnHand"))]
    assert accepted["levels"][0]["onHand"] == 12


async def test_safety_stock_changes_only_when_it_is_given(shop: Shop) -> None:
    await set_stock(shop, ("TEA", "S1", {"onHand": 10, "safetyStock": 4}))

    payload = await set_stock(shop, ("TEA", "S1", {"onHand": 9}))

    assert (payload["levels"][0]["safetyStock"], payload["levels"][0]["available"]) == (4, 5)


async def test_refuses_a_level_that_occurs_twice(shop: Shop) -> None:
    payload = await set_stock(
        shop, ("TEA", "S1", {"onHand": 1}), ("TEA", "S2", {"onHand": 1}), ("TEA", "S1", {"onHand": 2})
    )

    assert codes(payload) == [("INVALID", ("changes", "2"))]


async def test_refuses_quantities_outside_0_to_100_000(shop: Shop) -> None:
    payload = await set_stock(
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


async def test_opens_a_shortage_when_promised_units_are_missing_in_a_count(shop: Shop) -> None:
    await shop.receive(TEA_S1=6)
    await place_pickup_order(shop, "TEA", 5)

    payload = await set_stock(shop, ("TEA", "S1", {"onHand": 2}))

    assert payload["levels"][0]["shortage"] == 3
    async with shop.hub.database.reading() as session:
        assert await shortages(session, await level_ids(shop, "TEA", "S1")) == [(3, 0, False)]


async def test_sets_levels_once_for_each_key(shop: Shop) -> None:
    key = uuid4().hex
    first = await set_stock(shop, ("TEA", "S1", {"onHand": 5}), key=key)
    await adjust_stock(shop, ("TEA", "S1", 3))

    again = await set_stock(shop, ("TEA", "S1", {"onHand": 5}), key=key)
    other = await set_stock(shop, ("TEA", "S1", {"onHand": 6}), key=key)

    assert first["errors"] == again["errors"] == []
    assert codes(other) == [("IDEMPOTENCY_KEY_REUSED", ("idempotencyKey",))]
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 8


async def test_a_change_that_waited_for_a_count_occurs_after_it(shop: Shop) -> None:
    """A count is a barrier: a movement that is added to it must have a later time, even if its call began before."""
    level = await level_ids(shop, "TEA", "S1")
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
