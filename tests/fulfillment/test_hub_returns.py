"""Returns at any location: units are restocked there and refunded to the tenders that paid."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.support.client import Client
from tests.support.order_calls import (
    cancel_order,
    change_channel,
    line_units,
    order_state,
    return_units,
    update_fulfillment,
    value_of_order,
)
from tests.support.placed_orders import place_for_pickup, place_to_ship
from tests.support.shop import CHECKOUT, Shop
from uriba.db.statements import statement


async def buy_at_till(shop: Shop, till: Client, **units: int) -> dict[str, Any]:
    """Buy units at a till, carried out and paid in cash."""
    payload = await shop.check_out(till, await shop.create_cart(till, **units), method="CASH")
    assert not payload["errors"], payload
    return payload["order"]  # type: ignore[no-any-return]


async def place_and_ship(shop: Shop, channel: str = "app", **units: int) -> dict[str, Any]:
    """Place an order and ship it."""
    placed = await place_to_ship(shop, channel, **units)
    (part,) = (await order_state(shop, placed.order))["fulfillments"]
    assert not (await update_fulfillment(shop.staff, part, "SHIPPED"))["errors"]
    return placed.order


async def test_a_web_order_is_returned_at_a_store_that_never_had_the_variant(shop: Shop) -> None:
    await shop.receive(TEA_W1=2)
    order = await place_and_ship(shop, "web", TEA=2)
    till = await shop.terminal("S2")

    back = await return_units(till, order, [line_units(shop, order, "TEA", 1)])

    assert not back["errors"]
    assert back["orderReturn"]["refund"]["amount"] == "648"
    after = back["order"]
    assert (after["paymentStatus"], after["refunded"]["amount"]) == ("PARTIALLY_REFUNDED", "648")
    assert [(r["method"], r["status"], r["reason"]) for r in after["refunds"]] == [("TEST", "SUCCEEDED", "RETURNED")]
    (returned,) = after["returns"]
    assert (returned["location"]["code"], returned["lines"][0]["restocked"]) == (shop.code("S2"), True)
    level = await shop.stock_level("TEA", "S2")
    assert (level["onHand"], level["available"]) == (1, 1)
    assert level["movements"]["edges"][0]["node"]["reason"] == "RETURN"
    refunded = (
        "SELECT t.refunded_minor FROM sandbox_charge t JOIN payment p ON p.key = t.key WHERE p.order_id = :order_id"
    )
    assert await value_of_order(shop, refunded, order) == 648


async def test_the_last_unit_is_refunded_all_that_is_left(shop: Shop) -> None:
    await shop.receive(TEA_W1=2, POT_W1=1)
    order = await place_and_ship(shop, "web", TEA=2, POT=1)

    amounts = [
        (await return_units(shop.staff, order, [line_units(shop, order, name, 1)], location=shop.code("S1")))[
            "orderReturn"
        ]["refund"]["amount"]
        for name in ("TEA", "POT", "TEA")
    ]

    assert amounts == ["648", "3300", "1148"], "shipping comes with the last unit"
    after = await order_state(shop, order)
    assert (after["paymentStatus"], after["refunded"]["amount"]) == ("REFUNDED", after["total"]["amount"])


@pytest.mark.parametrize(
    ("given", "on_hand", "available", "unavailable"),
    [
        ({}, 1, 1, 0),
        ({"condition": "SELLABLE"}, 1, 1, 0),
        ({"condition": "DAMAGED"}, 1, 0, 1),
        ({"condition": "INSPECTION"}, 1, 0, 1),
        ({"restock": False}, 0, 0, 0),
        ({"restock": False, "condition": "DAMAGED"}, 1, 0, 1),
    ],
)
async def test_the_condition_decides_whether_units_are_available(
    shop: Shop, given: dict[str, Any], on_hand: int, available: int, unavailable: int
) -> None:
    await shop.receive(TEA_S1=1)
    till = await shop.terminal("S1")
    order = await buy_at_till(shop, till, TEA=1)

    back = await return_units(till, order, [line_units(shop, order, "TEA", 1, **given)])

    assert not back["errors"]
    level = await shop.stock_level("TEA", "S1")
    assert (level["onHand"], level["available"], level["unavailable"]) == (on_hand, available, unavailable)
    assert back["order"]["returns"][0]["lines"][0]["restocked"] is (available == 1)


async def test_each_tender_is_refunded_what_it_paid(shop: Shop) -> None:
    await shop.receive(CUP_S1=1)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, CUP=1)
    paid = await till.mutate(
        CHECKOUT,
        input={
            "cartId": cart["id"],
            "idempotencyKey": uuid4().hex,
            "payments": [
                {"method": "CASH", "amount": yen(3582), "tendered": yen(4000)},
                {"method": "TEST", "token": "ok", "amount": yen(10000)},
            ],
        },
    )
    assert not paid["errors"], paid
    order = paid["order"]

    back = await return_units(till, order, [line_units(shop, order, "CUP", 1)])

    refunds = [(r["method"], r["amount"]["amount"], r["status"]) for r in back["order"]["refunds"]]
    assert sorted(refunds) == [("CASH", "3582", "SUCCEEDED"), ("TEST", "10000", "SUCCEEDED")]


def yen(amount: int) -> dict[str, str]:
    return {"amount": str(amount), "currency": "JPY"}


async def test_a_cash_refund_without_a_till_waits_until_a_till_pays_it_out(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    till = await shop.terminal("S1")
    order = await buy_at_till(shop, till, TEA=1)
    back = await return_units(shop.staff, order, [line_units(shop, order, "TEA", 1)])
    (refund,) = back["order"]["refunds"]
    assert (refund["method"], refund["status"]) == ("CASH", "PENDING")

    pay_out = "mutation ($r: ID!) { refundPayOut(refundId: $r) { refund { status } errors { code path } } }"
    first, again = [await till.mutate(pay_out, r=refund["id"]) for _ in range(2)]

    assert first == again == {"refund": {"status": "SUCCEEDED"}, "errors": []}


async def test_a_refund_that_the_provider_refuses_opens_a_conflict(shop: Shop) -> None:
    await shop.receive(TEA_W1=1)
    order = await place_and_ship(shop, TEA=1)
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(_REFUND_CHARGE, number=order["number"])

    back = await return_units(shop.staff, order, [line_units(shop, order, "TEA", 1)], location=shop.code("S1"))

    assert (back["order"]["paymentStatus"], back["order"]["refunded"]["amount"]) == ("PAID", "0")
    assert [r["status"] for r in back["order"]["refunds"]] == ["FAILED"]
    found = await shop.staff.execute(
        "{ conflicts(kind: PAYMENT_FAILED, first: 1) { edges { node { order { number } } } } }"
    )
    assert found["conflicts"]["edges"][0]["node"]["order"]["number"] == order["number"]


_REFUND_CHARGE = statement("""
    UPDATE sandbox_charge SET refunded_minor = captured_minor WHERE key = (
        SELECT key FROM payment p JOIN orders o ON o.id = p.order_id WHERE o.number = :number)
""")


async def test_concurrent_returns_take_no_unit_twice(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    till = await shop.terminal("S1")
    order = await buy_at_till(shop, till, TEA=3)

    answers = await asyncio.gather(*(return_units(till, order, [line_units(shop, order, "TEA", 2)]) for _ in range(4)))

    assert sorted(a["errors"][0]["code"] if a["errors"] else "" for a in answers) == ["", *["INVALID_QUANTITY"] * 3]
    assert (await order_state(shop, order))["refunded"]["amount"] == "1296"
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 2


async def test_a_call_with_the_same_key_returns_units_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    till = await shop.terminal("S1")
    order = await buy_at_till(shop, till, TEA=2)

    answers = await asyncio.gather(
        *(return_units(till, order, [line_units(shop, order, "TEA", 1)], key="once") for _ in range(4))
    )

    assert len({a["orderReturn"]["id"] for a in answers}) == 1
    assert (await order_state(shop, order))["lines"][0]["returnedQuantity"] == 1


async def test_returns_after_the_window_or_above_the_limit_need_approval(shop: Shop) -> None:
    await change_channel(shop, "stores", returnWindowDays=0, returnApprovalAbove="10000")
    await shop.receive(TEA_S1=1, CUP_S1=1)
    till = await shop.terminal("S1")
    tea, cup = await buy_at_till(shop, till, TEA=1), await buy_at_till(shop, till, CUP=1)

    late = await return_units(till, tea, [line_units(shop, tea, "TEA", 1)], approve=True)
    dear = await return_units(till, cup, [line_units(shop, cup, "CUP", 1)])
    allowed = await return_units(shop.staff, cup, [line_units(shop, cup, "CUP", 1)], approve=True)

    assert [(e["code"], e["path"]) for e in late["errors"]] == [("APPROVAL_REQUIRED", ["approve"])]
    assert "0 days" in late["errors"][0]["message"]
    assert "13,582" not in dear["errors"][0]["message"] and "10,000" in dear["errors"][0]["message"]
    assert not allowed["errors"]
    assert (await order_state(shop, tea))["returns"] == []


async def test_bad_input_changes_nothing(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, TEA_W1=3)
    till = await shop.terminal("S1")
    order = await buy_at_till(shop, till, TEA=3)
    waiting = (await place_for_pickup(shop, TEA=1)).order
    gone = (await place_for_pickup(shop, TEA=1)).order
    await cancel_order(shop.staff, gone)
    tea = line_units(shop, order, "TEA", 1)
    was = await order_state(shop, order)

    answers = {
        "too many": await return_units(till, order, [line_units(shop, order, "TEA", 4)]),
        "too many in two rows": await return_units(till, order, [line_units(shop, order, "TEA", 2)] * 2),
        "none": await return_units(till, order, [line_units(shop, order, "TEA", 0)]),
        "negative": await return_units(till, order, [line_units(shop, order, "TEA", -1)]),
        "no lines": await return_units(till, order, []),
        "another's line": await return_units(till, order, [line_units(shop, waiting, "TEA", 1)]),
        "not fetched": await return_units(till, waiting, [line_units(shop, waiting, "TEA", 1)]),
        "cancelled": await return_units(till, gone, [line_units(shop, gone, "TEA", 1)]),
        "another place": await return_units(till, order, [tea], location=shop.code("S2")),
        "no place": await return_units(shop.staff, order, [tea], location="nowhere"),
        "no order": await return_units(till, {"id": tea["orderLineId"]}, [tea]),
    }

    assert {name: [(e["code"], e["path"]) for e in a["errors"]] for name, a in answers.items()} == {
        "too many": [("INVALID_QUANTITY", ["lines", "0", "quantity"])],
        "too many in two rows": [("INVALID_QUANTITY", ["lines", "1", "quantity"])],
        "none": [("INVALID_QUANTITY", ["lines", "0", "quantity"])],
        "negative": [("INVALID_QUANTITY", ["lines", "0", "quantity"])],
        "no lines": [("INVALID", ["lines"])],
        "another's line": [("NOT_FOUND", ["lines", "0", "orderLineId"])],
        "not fetched": [("INVALID_STATE", ["lines", "0", "quantity"])],
        "cancelled": [("INVALID_QUANTITY", ["lines", "0", "quantity"])],
        "another place": [("NOT_FOUND", ["location"])],
        "no place": [("NOT_FOUND", ["location"])],
        "no order": [("NOT_FOUND", ["orderId"])],
    }
    assert await order_state(shop, order) == was
