"""Cancellation: units that have not departed are released where they were promised and refunded once."""

from __future__ import annotations

import asyncio

from tests.support.order_calls import (
    cancel_order,
    change_channel,
    line_units,
    order_state,
    update_fulfillment,
    value_of_order,
)
from tests.support.placed_orders import PlacedOrder, place_for_pickup, place_to_ship
from tests.support.shop import Shop


async def available(shop: Shop, sku: str, location: str) -> tuple[int, int]:
    level = await shop.stock_level(sku, location)
    return level["committed"], level["available"]


async def test_a_whole_order_is_cancelled_and_refunded_with_its_shipping(shop: Shop) -> None:
    await shop.receive(TEA_W1=2, POT_W1=1)
    placed = await place_to_ship(shop, "web", TEA=2, POT=1)

    gone = await cancel_order(shop.staff, placed.order, reason="changed my mind")

    assert not gone["errors"]
    order = gone["order"]
    assert (order["status"], order["paymentStatus"]) == ("CANCELLED", "REFUNDED")
    assert (order["total"]["amount"], order["refunded"]["amount"]) == ("5096", "5096")
    assert [one["status"] for one in order["fulfillments"]] == ["CANCELLED"]
    assert [(r["method"], r["amount"]["amount"], r["status"]) for r in order["refunds"]] == [
        ("TEST", "5096", "SUCCEEDED")
    ]
    refunded = (
        "SELECT t.refunded_minor FROM sandbox_charge t JOIN payment p ON p.key = t.key WHERE p.order_id = :order_id"
    )
    assert await value_of_order(shop, refunded, placed.order) == 5096
    assert (await available(shop, "TEA", "W1"), await available(shop, "POT", "W1")) == ((0, 2), (0, 1))
    assert order["timeline"][-1]["message"] == "The order was cancelled (changed my mind)."


async def test_concurrent_cancellations_refund_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await place_for_pickup(shop, TEA=1)

    answers = await asyncio.gather(*(cancel_order(shop.staff, placed.order) for _ in range(5)))

    refused = [a["errors"][0]["code"] for a in answers if a["errors"]]
    assert refused == ["INVALID_STATE"] * 4
    order = await order_state(shop, placed.order)
    assert (order["refunded"]["amount"], len(order["refunds"])) == ("648", 1)


async def test_a_call_with_the_same_key_returns_the_same_answer(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    placed = await place_for_pickup(shop, TEA=1)

    first, again = [await cancel_order(shop.staff, placed.order, key="once") for _ in range(2)]

    assert (first["errors"], again["errors"]) == ([], [])
    assert again["order"] == first["order"]
    other = await cancel_order(shop.staff, placed.order, key="once", reason="another")
    assert other["errors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_units_of_a_line_are_cancelled_before_they_depart(shop: Shop) -> None:
    await shop.receive(TEA_W1=3, POT_W1=1)
    placed = await place_to_ship(shop, TEA=3, POT=1)

    part = await cancel_order(shop.staff, placed.order, lines=[line_units(shop, placed.order, "TEA", 2)])

    order = part["order"]
    assert (order["status"], order["paymentStatus"], order["refunded"]["amount"]) == (
        "OPEN",
        "PARTIALLY_REFUNDED",
        "1296",
    )
    assert await available(shop, "TEA", "W1") == (1, 2)
    (left,) = [one for one in order["fulfillments"] if one["status"] == "ALLOCATED"]
    done = await update_fulfillment(shop.staff, left, "SHIPPED")
    rest = await cancel_order(shop.staff, placed.order, lines=[line_units(shop, placed.order, "TEA", 1)])
    assert not done["errors"]
    assert [(e["code"], e["path"]) for e in rest["errors"]] == [("INVALID_STATE", ["lines", "0", "quantity"])]
    whole = await cancel_order(shop.staff, placed.order)
    assert [(e["code"], e["path"]) for e in whole["errors"]] == [("INVALID_STATE", ["orderId"])]


async def test_authorized_amounts_of_cancelled_units_are_not_captured(shop: Shop) -> None:
    await change_channel(shop, "web", capture="AT_SHIPMENT")
    await shop.receive(TEA_W1=3)
    placed = await place_to_ship(shop, "web", TEA=3)

    part = await cancel_order(shop.staff, placed.order, lines=[line_units(shop, placed.order, "TEA", 1)])
    assert (part["order"]["paymentStatus"], part["order"]["refunds"]) == ("AUTHORIZED", [])
    (left,) = [one for one in part["order"]["fulfillments"] if one["status"] == "ALLOCATED"]
    sent = await update_fulfillment(shop.staff, left, "SHIPPED")

    charged = (
        "SELECT t.captured_minor FROM sandbox_charge t JOIN payment p ON p.key = t.key WHERE p.order_id = :order_id"
    )
    assert (sent["order"]["paymentStatus"], await value_of_order(shop, charged, placed.order)) == (
        "PAID",
        648 * 2 + 500,
    )
    assert (sent["order"]["payments"][0]["captured"]["amount"], sent["order"]["refunded"]["amount"]) == ("1796", "0")


async def test_a_cancelled_authorized_order_is_voided(shop: Shop) -> None:
    await change_channel(shop, "web", capture="AT_SHIPMENT")
    await shop.receive(TEA_W1=3)
    placed = await place_to_ship(shop, "web", TEA=3)

    gone = await cancel_order(shop.staff, placed.order)

    charge = "SELECT t.status || t.captured_minor FROM sandbox_charge t JOIN payment p ON p.key = t.key WHERE p.order_id = :order_id"
    assert (gone["order"]["status"], gone["order"]["paymentStatus"]) == ("CANCELLED", "VOIDED")
    assert await value_of_order(shop, charge, placed.order) == "VOIDED0"


async def test_released_units_fill_back_orders(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    first = await place_for_pickup(shop, TEA=2)
    second = await place_rejected(shop)

    await cancel_order(shop.staff, first.order)

    waiting = await order_state(shop, second.order)
    assert [one["status"] for one in waiting["fulfillments"]] == ["REJECTED", "ALLOCATED"]


async def place_rejected(shop: Shop) -> PlacedOrder:
    """Place an order whose units the store rejects, so that it is back-ordered."""
    await shop.receive(TEA_S1=1)
    placed = await place_for_pickup(shop, TEA=1)
    (part,) = (await order_state(shop, placed.order))["fulfillments"]
    rejected = await update_fulfillment(shop.staff, part, "REJECTED", reason="not found")
    assert [one["status"] for one in rejected["order"]["fulfillments"]] == ["REJECTED", "BACKORDERED"]
    return placed


async def test_bad_input_changes_nothing(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    placed = await place_for_pickup(shop, TEA=2)
    order = await order_state(shop, placed.order)
    till = await shop.terminal("S2")
    missing = {"orderLineId": order["id"], "quantity": 1}

    answers = {
        "0": await cancel_order(shop.staff, order, lines=[line_units(shop, order, "TEA", 0)]),
        "3": await cancel_order(shop.staff, order, lines=[line_units(shop, order, "TEA", 3)]),
        "none": await cancel_order(shop.staff, order, lines=[]),
        "no line": await cancel_order(shop.staff, order, lines=[missing]),
        "twice": await cancel_order(shop.staff, order, lines=[line_units(shop, order, "TEA", 1)] * 2),
        "elsewhere": await cancel_order(till, order),
        "no order": await cancel_order(shop.staff, {"id": "T3JkZXI6MQ=="}),
    }

    assert {name: [(e["code"], e["path"]) for e in a["errors"]] for name, a in answers.items()} == {
        "0": [("INVALID_QUANTITY", ["lines", "0", "quantity"])],
        "3": [("INVALID_QUANTITY", ["lines", "0", "quantity"])],
        "none": [("INVALID", ["lines"])],
        "no line": [("NOT_FOUND", ["lines", "0", "orderLineId"])],
        "twice": [("INVALID", ["lines", "1", "orderLineId"])],
        "elsewhere": [("NOT_FOUND", ["orderId"])],
        "no order": [("NOT_FOUND", ["orderId"])],
    }
    assert await order_state(shop, order) == order
