"""Updates of fulfillments: transitions, and the stock and payments that follow."""

from __future__ import annotations

import pytest

from tests.support.order_calls import change_channel, order_state, update_fulfillment, value_of_order
from tests.support.placed_orders import place_for_pickup, place_to_ship
from tests.support.shop import Shop


async def figures(shop: Shop, sku: str, location: str) -> tuple[int, int, int]:
    level = await shop.stock_level(sku, location)
    return level["onHand"], level["committed"], level["available"]


async def test_a_pickup_is_picked_made_ready_and_handed_over(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    placed = await place_for_pickup(shop, TEA=2)
    till = await shop.terminal("S1")
    (part,) = (await order_state(shop, placed.order))["fulfillments"]
    assert part["nextStatuses"] == ["PICKED", "READY_FOR_PICKUP", "HANDED_OVER", "REJECTED", "CANCELLED"]

    await update_fulfillment(till, part, "PICKED")
    ready = await update_fulfillment(till, part, "READY_FOR_PICKUP")

    assert ready["order"]["fulfillments"][0]["holdUntil"] is not None
    assert ready["order"]["fulfillments"][0]["pickupCode"] is None, (
        "a till does not see the code that the customer has to name"
    )
    assert await figures(shop, "TEA", "S1") == (5, 2, 3)
    code = await value_of_order(shop, "SELECT pickup_code FROM fulfillment WHERE order_id = :order_id", placed.order)
    wrong = await update_fulfillment(till, part, "HANDED_OVER", code="WRONG1")
    assert [(e["code"], e["path"]) for e in wrong["errors"]] == [("INVALID", ["code"])]

    done = await update_fulfillment(till, part, "HANDED_OVER", code=code.lower())

    assert (done["order"]["status"], done["order"]["fulfillments"][0]["status"]) == ("COMPLETED", "HANDED_OVER")
    assert await figures(shop, "TEA", "S1") == (3, 0, 3)
    messages = [event["message"] for event in done["order"]["timeline"]]
    assert f"{shop.code('S1')} handed over 2 units." in messages
    assert messages[-1] == "The order was completed."


async def test_a_fulfillment_is_shipped_with_tracking_and_delivered(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    placed = await place_to_ship(shop, TEA=2)
    (part,) = (await order_state(shop, placed.order))["fulfillments"]

    sent = await update_fulfillment(shop.staff, part, "SHIPPED", tracking="YMT-1")

    assert (sent["order"]["status"], sent["fulfillment"]["tracking"]) == ("OPEN", "YMT-1")
    assert await figures(shop, "TEA", "W1") == (3, 0, 3)
    again = await update_fulfillment(shop.staff, part, "SHIPPED", tracking="YMT-2")
    assert (again["errors"], again["fulfillment"]["tracking"]) == ([], "YMT-2"), "a repetition moves nothing twice"
    assert await figures(shop, "TEA", "W1") == (3, 0, 3)
    assert (await update_fulfillment(shop.staff, part, "DELIVERED"))["order"]["status"] == "COMPLETED"


async def test_some_units_of_a_fulfillment_are_shipped_alone(shop: Shop) -> None:
    await shop.receive(TEA_W1=5, POT_W1=1)
    placed = await place_to_ship(shop, TEA=3, POT=1)
    whole = await order_state(shop, placed.order)
    tea = next(one for one in whole["lines"] if one["sku"] == shop.sku("TEA"))

    sent = await update_fulfillment(
        shop.staff, whole["fulfillments"][0], "SHIPPED", lines=[{"orderLineId": tea["id"], "quantity": 2}]
    )

    parts = {
        one["status"]: {l["orderLine"]["sku"]: l["quantity"] for l in one["lines"]}
        for one in sent["order"]["fulfillments"]
    }
    assert parts == {"SHIPPED": {shop.sku("TEA"): 2}, "ALLOCATED": {shop.sku("TEA"): 1, shop.sku("POT"): 1}}
    assert await figures(shop, "TEA", "W1") == (3, 1, 2)
    more = await update_fulfillment(
        shop.staff, whole["fulfillments"][0], "SHIPPED", lines=[{"orderLineId": tea["id"], "quantity": 2}]
    )
    assert [(e["code"], e["path"]) for e in more["errors"]] == [("INVALID_QUANTITY", ["lines", "0", "quantity"])]


@pytest.mark.parametrize(
    ("method", "before", "to", "message"),
    [
        ("PICKUP", [], "SHIPPED", "PICKED, READY_FOR_PICKUP, HANDED_OVER, REJECTED, CANCELLED"),
        ("PICKUP", ["READY_FOR_PICKUP", "HANDED_OVER"], "CANCELLED", "this is its final status"),
        ("SHIP", [], "DELIVERED", "PICKED, SHIPPED, REJECTED, CANCELLED"),
        ("SHIP", ["SHIPPED"], "CANCELLED", "it can become DELIVERED"),
        ("SHIP", ["SHIPPED", "DELIVERED"], "SHIPPED", "this is its final status"),
        ("SHIP", ["PICKED"], "ALLOCATED", "SHIPPED, REJECTED, CANCELLED"),
    ],
)
async def test_an_illegal_transition_is_refused_with_the_legal_ones(
    shop: Shop, method: str, before: list[str], to: str, message: str
) -> None:
    await shop.receive(TEA_S1=1, TEA_W1=1)
    placed = await (place_for_pickup(shop, TEA=1) if method == "PICKUP" else place_to_ship(shop, TEA=1))
    (part,) = (await order_state(shop, placed.order))["fulfillments"]
    for status in before:
        assert not (await update_fulfillment(shop.staff, part, status))["errors"]
    was = await order_state(shop, placed.order)

    refused = await update_fulfillment(shop.staff, part, to)

    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("INVALID_STATE", ["status"])]
    assert message in refused["errors"][0]["message"]
    assert await order_state(shop, placed.order) == was


async def test_a_terminal_updates_only_fulfillments_of_its_own_location(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await place_for_pickup(shop, TEA=1)
    (part,) = (await order_state(shop, placed.order))["fulfillments"]

    refused = await update_fulfillment(await shop.terminal("S2"), part, "PICKED")

    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("NOT_FOUND", ["fulfillmentId"])]


async def test_an_authorized_payment_is_captured_when_units_depart(shop: Shop) -> None:
    await change_channel(shop, "web", capture="AT_SHIPMENT")
    await shop.receive(TEA_W1=2, POT_W1=1)
    placed = await place_to_ship(shop, "web", TEA=2, POT=1)
    before = await order_state(shop, placed.order)
    assert (before["paymentStatus"], before["payments"][0]["captured"]["amount"]) == ("AUTHORIZED", "0")
    tea = next(one for one in before["lines"] if one["sku"] == shop.sku("TEA"))

    part = before["fulfillments"][0]
    first = await update_fulfillment(shop.staff, part, "SHIPPED", lines=[{"orderLineId": tea["id"], "quantity": 2}])
    assert (first["order"]["paymentStatus"], first["order"]["payments"][0]["captured"]["amount"]) == (
        "AUTHORIZED",
        "1296",
    )
    rest = await update_fulfillment(shop.staff, part, "SHIPPED")

    assert (rest["order"]["paymentStatus"], rest["order"]["payments"][0]["captured"]["amount"]) == ("PAID", "5096")
    charged = (
        "SELECT t.captured_minor FROM sandbox_charge t JOIN payment p ON p.key = t.key WHERE p.order_id = :order_id"
    )
    assert await value_of_order(shop, charged, placed.order) == 5096


async def test_the_work_queue_starts_with_the_oldest_promise(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    first, second = await place_for_pickup(shop, TEA=1), await place_for_pickup(shop, TEA=2)
    till = await shop.terminal("S1")
    query = """query ($after: String, $s: [FulfillmentStatus!]) { workQueue(first: 1, after: $after, statuses: $s) {
        edges { cursor node { status order { number } } } pageInfo { hasNextPage } } }"""

    page = (await till.execute(query))["workQueue"]
    after = (await till.execute(query, after=page["edges"][0]["cursor"]))["workQueue"]

    assert [page["edges"][0]["node"]["order"]["number"], after["edges"][0]["node"]["order"]["number"]] == [
        first.order["number"],
        second.order["number"],
    ]
    assert (page["pageInfo"]["hasNextPage"], after["pageInfo"]["hasNextPage"]) == (True, False)
    assert (await till.execute(query, s=["READY_FOR_PICKUP"]))["workQueue"]["edges"] == []
