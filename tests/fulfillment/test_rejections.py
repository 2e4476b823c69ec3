"""A store that does not find what it promised: it comes from elsewhere or waits, and the shelf is counted."""

from __future__ import annotations

from typing import Any

from after_sales import move, state
from promises import picked_up, shipped

from shop import ERRORS, Shop
from uriba.worker import sweeps


async def cases(shop: Shop, location: str) -> list[dict[str, Any]]:
    data = await shop.staff.run(
        """query ($l: String) { conflicts(kind: STOCK_CHECK, location: $l) { edges { node {
            status quantity message variant { sku } } } } }""",
        l=shop.code(location),
    )
    return [edge["node"] for edge in data["conflicts"]["edges"]]


async def test_what_one_location_does_not_find_is_shipped_from_another(shop: Shop) -> None:
    await shop.receive(TEA_W1=2, TEA_S1=2)
    placed = await shipped(shop, TEA=2)
    (part,) = (await state(shop, placed.order))["fulfillments"]

    moved = await move(shop.staff, part, "REJECTED", reason="not found")

    parts = [(one["status"], one["location"]["code"]) for one in moved["order"]["fulfillments"]]
    assert parts == [("REJECTED", shop.code("W1")), ("ALLOCATED", shop.code("S1"))]
    warehouse, store = await shop.level("TEA", "W1"), await shop.level("TEA", "S1")
    assert (warehouse["onHand"], warehouse["committed"], warehouse["unavailable"], warehouse["available"]) == (
        2,
        0,
        2,
        0,
    )
    assert (store["committed"], store["available"]) == (2, 0)
    (case,) = await cases(shop, "W1")
    assert (case["status"], case["quantity"], case["variant"]["sku"]) == ("OPEN", 2, shop.sku("TEA"))
    assert "not found" in case["message"]


async def test_a_count_of_the_shelf_settles_the_case(shop: Shop) -> None:
    await shop.receive(TEA_W1=2, TEA_S1=2)
    placed = await shipped(shop, TEA=2)
    (part,) = (await state(shop, placed.order))["fulfillments"]
    await move(shop.staff, part, "REJECTED")
    counted = await shop.staff.do(
        f"mutation ($i: StockSetInput!) {{ stockSet(input: $i) {{ levels {{ onHand }} {ERRORS} }} }}",
        i={
            "changes": [{"sku": shop.sku("TEA"), "location": shop.code("W1"), "onHand": 1}],
            "idempotencyKey": shop.mark,
        },
    )
    assert not counted["errors"]

    await sweeps.clear_counted(shop.hub.work)

    level = await shop.level("TEA", "W1")
    assert (level["onHand"], level["unavailable"], level["available"], level["shortage"]) == (1, 0, 1, 0)
    assert [case["status"] for case in await cases(shop, "W1")] == ["RESOLVED"]


async def test_a_pickup_waits_at_the_store_that_its_customer_chose(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, TEA_S2=5)
    placed = await picked_up(shop, TEA=1)
    (part,) = (await state(shop, placed.order))["fulfillments"]

    moved = await move(await shop.terminal("S1"), part, "REJECTED")

    parts = [(one["status"], one["location"]["code"]) for one in moved["order"]["fulfillments"]]
    assert parts == [("REJECTED", shop.code("S1")), ("BACKORDERED", shop.code("S1"))]
    await shop.receive(TEA_S1=1)
    assert [one["status"] for one in (await state(shop, placed.order))["fulfillments"]] == ["REJECTED", "ALLOCATED"]


async def test_a_part_that_is_not_found_leaves_the_rest(shop: Shop) -> None:
    await shop.receive(TEA_W1=3, TEA_S1=1)
    placed = await shipped(shop, TEA=3)
    whole = await state(shop, placed.order)
    units = [{"orderLineId": whole["lines"][0]["id"], "quantity": 1}]

    moved = await move(shop.staff, whole["fulfillments"][0], "REJECTED", lines=units)

    parts = sorted(
        (one["status"], one["location"]["code"], one["lines"][0]["quantity"]) for one in moved["order"]["fulfillments"]
    )
    assert parts == [
        ("ALLOCATED", shop.code("S1"), 1),
        ("ALLOCATED", shop.code("W1"), 2),
        ("REJECTED", shop.code("W1"), 1),
    ]


async def test_a_pickup_that_nobody_fetches_goes_back(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await picked_up(shop, TEA=1)
    (part,) = (await state(shop, placed.order))["fulfillments"]
    await move(shop.staff, part, "READY_FOR_PICKUP")
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(
            "UPDATE fulfillment SET hold_until = now() WHERE pickup_code IS NOT NULL AND status = "
            "'READY_FOR_PICKUP' AND location_id = (SELECT id FROM location WHERE code = $1)",
            shop.code("S1"),
        )

    await sweeps.expire_pickups(shop.hub.work)
    await sweeps.settle_payments(shop.hub.work)

    order = await state(shop, placed.order)
    assert (order["status"], order["paymentStatus"]) == ("CANCELLED", "REFUNDED")
    assert order["fulfillments"][0]["reason"] == "PICKUP_EXPIRED"
    level = await shop.level("TEA", "S1")
    assert (level["onHand"], level["committed"], level["available"]) == (1, 0, 1)
