"""Rejections: units that a location does not find come from elsewhere or are back-ordered; the shelf is counted."""

from __future__ import annotations

from typing import Any

from tests.support.order_calls import order_state, update_fulfillment
from tests.support.placed_orders import place_for_pickup, place_to_ship
from tests.support.shop import ERRORS, Shop
from uriba.db.statements import statement
from uriba.worker import sweeps


async def stock_checks(shop: Shop, location: str) -> list[dict[str, Any]]:
    data = await shop.staff.execute(
        """query ($l: String) { conflicts(kind: STOCK_CHECK, location: $l) { edges { node {
            status quantity message variant { sku } } } } }""",
        l=shop.code(location),
    )
    return [edge["node"] for edge in data["conflicts"]["edges"]]


async def test_rejected_units_are_shipped_from_another_location(shop: Shop) -> None:
    await shop.receive(TEA_W1=2, TEA_S1=2)
    placed = await place_to_ship(shop, TEA=2)
    (part,) = (await order_state(shop, placed.order))["fulfillments"]

    moved = await update_fulfillment(shop.staff, part, "REJECTED", reason="not found")

    parts = [(one["status"], one["location"]["code"]) for one in moved["order"]["fulfillments"]]
    assert parts == [("REJECTED", shop.code("W1")), ("ALLOCATED", shop.code("S1"))]
    warehouse, store = await shop.stock_level("TEA", "W1"), await shop.stock_level("TEA", "S1")
    assert (warehouse["onHand"], warehouse["committed"], warehouse["unavailable"], warehouse["available"]) == (
        2,
        0,
        2,
        0,
    )
    assert (store["committed"], store["available"]) == (2, 0)
    (case,) = await stock_checks(shop, "W1")
    assert (case["status"], case["quantity"], case["variant"]["sku"]) == ("OPEN", 2, shop.sku("TEA"))
    assert "not found" in case["message"]


async def test_a_count_resolves_the_stock_check(shop: Shop) -> None:
    await shop.receive(TEA_W1=2, TEA_S1=2)
    placed = await place_to_ship(shop, TEA=2)
    (part,) = (await order_state(shop, placed.order))["fulfillments"]
    await update_fulfillment(shop.staff, part, "REJECTED")
    counted = await shop.staff.mutate(
        f"mutation ($i: StockSetInput!) {{ stockSet(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}",
        i={
            "changes": [{"sku": shop.sku("TEA"), "location": shop.code("W1"), "onHand": 1}],
            "idempotencyKey": shop.suffix,
        },
    )
    assert not counted["errors"]

    await sweeps.clear_counted(shop.hub.work)

    level = await shop.stock_level("TEA", "W1")
    assert (level["onHand"], level["unavailable"], level["available"], level["shortage"]) == (1, 0, 1, 0)
    assert [case["status"] for case in await stock_checks(shop, "W1")] == ["RESOLVED"]


async def test_a_rejected_pickup_is_back_ordered_at_its_store(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, TEA_S2=5)
    placed = await place_for_pickup(shop, TEA=1)
    (part,) = (await order_state(shop, placed.order))["fulfillments"]

    moved = await update_fulfillment(await shop.terminal("S1"), part, "REJECTED")

    parts = [(one["status"], one["location"]["code"]) for one in moved["order"]["fulfillments"]]
    assert parts == [("REJECTED", shop.code("S1")), ("BACKORDERED", shop.code("S1"))]
    await shop.receive(TEA_S1=1)
    assert [one["status"] for one in (await order_state(shop, placed.order))["fulfillments"]] == [
        "REJECTED",
        "ALLOCATED",
    ]


async def test_some_units_of_a_fulfillment_are_rejected_alone(shop: Shop) -> None:
    await shop.receive(TEA_W1=3, TEA_S1=1)
    placed = await place_to_ship(shop, TEA=3)
    whole = await order_state(shop, placed.order)
    units = [{"orderLineId": whole["lines"][0]["id"], "quantity": 1}]

    moved = await update_fulfillment(shop.staff, whole["fulfillments"][0], "REJECTED", lines=units)

    parts = sorted(
        (one["status"], one["location"]["code"], one["lines"][0]["quantity"]) for one in moved["order"]["fulfillments"]
    )
    assert parts == [
        ("ALLOCATED", shop.code("S1"), 1),
        ("ALLOCATED", shop.code("W1"), 2),
        ("REJECTED", shop.code("W1"), 1),
    ]


_END_HOLD = statement("""
    UPDATE fulfillment SET hold_until = now() WHERE pickup_code IS NOT NULL AND status = 'READY_FOR_PICKUP'
        AND location_id = (SELECT id FROM location WHERE code = :code)
""")


async def test_an_overdue_pickup_is_cancelled_and_refunded(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await place_for_pickup(shop, TEA=1)
    (part,) = (await order_state(shop, placed.order))["fulfillments"]
    await update_fulfillment(shop.staff, part, "READY_FOR_PICKUP")
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(_END_HOLD, code=shop.code("S1"))

    await sweeps.expire_pickups(shop.hub.work)
    await sweeps.settle_payments(shop.hub.work)

    order = await order_state(shop, placed.order)
    assert (order["status"], order["paymentStatus"]) == ("CANCELLED", "REFUNDED")
    assert order["fulfillments"][0]["reason"] == "PICKUP_EXPIRED"
    level = await shop.stock_level("TEA", "S1")
    assert (level["onHand"], level["committed"], level["available"]) == (1, 0, 1)
