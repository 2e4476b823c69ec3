"""Goods come back at any location, and what was paid for them goes back the way it was paid."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from after_sales import bring_back, cancel, line, move, state, terms, value
from promises import picked_up, shipped

from client import Client
from shop import CHECKOUT, Shop


async def sold(shop: Shop, till: Client, **units: int) -> dict[str, Any]:
    """Goods carried out and paid in cash."""
    payload = await shop.check_out(till, await shop.cart(till, **units), method="CASH")
    assert not payload["errors"], payload
    return payload["order"]  # type: ignore[no-any-return]


async def sent(shop: Shop, channel: str = "app", **units: int) -> dict[str, Any]:
    """Goods shipped and paid by card."""
    placed = await shipped(shop, channel, **units)
    (part,) = (await state(shop, placed.order))["fulfillments"]
    assert not (await move(shop.staff, part, "SHIPPED"))["errors"]
    return placed.order


async def test_bought_on_the_web_and_returned_at_a_store_that_never_had_it(shop: Shop) -> None:
    await shop.receive(TEA_W1=2)
    order = await sent(shop, "web", TEA=2)
    till = await shop.terminal("S2")

    back = await bring_back(till, order, [line(shop, order, "TEA", 1)])

    assert not back["errors"]
    assert back["orderReturn"]["refund"]["amount"] == "648"
    after = back["order"]
    assert (after["paymentStatus"], after["refunded"]["amount"]) == ("PARTIALLY_REFUNDED", "648")
    assert [(r["method"], r["status"], r["reason"]) for r in after["refunds"]] == [("TEST", "SUCCEEDED", "RETURNED")]
    (returned,) = after["returns"]
    assert (returned["location"]["code"], returned["lines"][0]["restocked"]) == (shop.code("S2"), True)
    level = await shop.level("TEA", "S2")
    assert (level["onHand"], level["available"]) == (1, 1)
    assert level["movements"]["edges"][0]["node"]["reason"] == "RETURN"
    refunded = "SELECT t.refunded_minor FROM sandbox_charge t JOIN payment p ON p.key = t.key WHERE p.order_id = $1"
    assert await value(shop, refunded, order) == 648


async def test_the_last_unit_brings_back_all_that_was_paid(shop: Shop) -> None:
    await shop.receive(TEA_W1=2, POT_W1=1)
    order = await sent(shop, "web", TEA=2, POT=1)

    amounts = [
        (await bring_back(shop.staff, order, [line(shop, order, name, 1)], location=shop.code("S1")))["orderReturn"][
            "refund"
        ]["amount"]
        for name in ("TEA", "POT", "TEA")
    ]

    assert amounts == ["648", "3300", "1148"], "shipping comes with the last unit"
    after = await state(shop, order)
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
async def test_its_condition_says_where_it_goes(
    shop: Shop, given: dict[str, Any], on_hand: int, available: int, unavailable: int
) -> None:
    await shop.receive(TEA_S1=1)
    till = await shop.terminal("S1")
    order = await sold(shop, till, TEA=1)

    back = await bring_back(till, order, [line(shop, order, "TEA", 1, **given)])

    assert not back["errors"]
    level = await shop.level("TEA", "S1")
    assert (level["onHand"], level["available"], level["unavailable"]) == (on_hand, available, unavailable)
    assert back["order"]["returns"][0]["lines"][0]["restocked"] is (available == 1)


async def test_cash_goes_back_to_cash_and_a_card_to_the_card(shop: Shop) -> None:
    await shop.receive(CUP_S1=1)
    till = await shop.terminal("S1")
    cart = await shop.cart(till, CUP=1)
    paid = await till.do(
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

    back = await bring_back(till, order, [line(shop, order, "CUP", 1)])

    refunds = [(r["method"], r["amount"]["amount"], r["status"]) for r in back["order"]["refunds"]]
    assert sorted(refunds) == [("CASH", "3582", "SUCCEEDED"), ("TEST", "10000", "SUCCEEDED")]


def yen(amount: int) -> dict[str, str]:
    return {"amount": str(amount), "currency": "JPY"}


async def test_cash_that_no_till_was_there_for_waits_until_one_pays_it_out(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    till = await shop.terminal("S1")
    order = await sold(shop, till, TEA=1)
    back = await bring_back(shop.staff, order, [line(shop, order, "TEA", 1)])
    (refund,) = back["order"]["refunds"]
    assert (refund["method"], refund["status"]) == ("CASH", "PENDING")

    pay_out = "mutation ($r: ID!) { refundPayOut(refundId: $r) { refund { status } errors { code path } } }"
    first, again = [await till.do(pay_out, r=refund["id"]) for _ in range(2)]

    assert first == again == {"refund": {"status": "SUCCEEDED"}, "errors": []}


async def test_a_refund_that_the_provider_refuses_is_told_to_people(shop: Shop) -> None:
    await shop.receive(TEA_W1=1)
    order = await sent(shop, TEA=1)
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(
            "UPDATE sandbox_charge SET refunded_minor = captured_minor WHERE key = ("
            "SELECT key FROM payment p JOIN orders o ON o.id = p.order_id WHERE o.number = $1)",
            order["number"],
        )

    back = await bring_back(shop.staff, order, [line(shop, order, "TEA", 1)], location=shop.code("S1"))

    assert (back["order"]["paymentStatus"], back["order"]["refunded"]["amount"]) == ("PAID", "0")
    assert [r["status"] for r in back["order"]["refunds"]] == ["FAILED"]
    found = await shop.staff.run(
        "{ conflicts(kind: PAYMENT_FAILED, first: 1) { edges { node { order { number } } } } }"
    )
    assert found["conflicts"]["edges"][0]["node"]["order"]["number"] == order["number"]


async def test_of_returns_at_once_no_unit_comes_back_twice(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    till = await shop.terminal("S1")
    order = await sold(shop, till, TEA=3)

    answers = await asyncio.gather(*(bring_back(till, order, [line(shop, order, "TEA", 2)]) for _ in range(4)))

    assert sorted(a["errors"][0]["code"] if a["errors"] else "" for a in answers) == ["", *["INVALID_QUANTITY"] * 3]
    assert (await state(shop, order))["refunded"]["amount"] == "1296"
    assert (await shop.level("TEA", "S1"))["onHand"] == 2


async def test_the_same_key_takes_back_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    till = await shop.terminal("S1")
    order = await sold(shop, till, TEA=2)

    answers = await asyncio.gather(
        *(bring_back(till, order, [line(shop, order, "TEA", 1)], key="once") for _ in range(4))
    )

    assert len({a["orderReturn"]["id"] for a in answers}) == 1
    assert (await state(shop, order))["lines"][0]["returnedQuantity"] == 1


async def test_past_the_window_or_above_the_limit_staff_has_to_allow_it(shop: Shop) -> None:
    await terms(shop, "stores", returnWindowDays=0, returnApprovalAbove="10000")
    await shop.receive(TEA_S1=1, CUP_S1=1)
    till = await shop.terminal("S1")
    tea, cup = await sold(shop, till, TEA=1), await sold(shop, till, CUP=1)

    late = await bring_back(till, tea, [line(shop, tea, "TEA", 1)], approve=True)
    dear = await bring_back(till, cup, [line(shop, cup, "CUP", 1)])
    allowed = await bring_back(shop.staff, cup, [line(shop, cup, "CUP", 1)], approve=True)

    assert [(e["code"], e["path"]) for e in late["errors"]] == [("APPROVAL_REQUIRED", ["approve"])]
    assert "0 days" in late["errors"][0]["message"]
    assert "13,582" not in dear["errors"][0]["message"] and "10,000" in dear["errors"][0]["message"]
    assert not allowed["errors"]
    assert (await state(shop, tea))["returns"] == []


async def test_bad_input_changes_nothing(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, TEA_W1=3)
    till = await shop.terminal("S1")
    order = await sold(shop, till, TEA=3)
    waiting = (await picked_up(shop, TEA=1)).order
    gone = (await picked_up(shop, TEA=1)).order
    await cancel(shop.staff, gone)
    tea = line(shop, order, "TEA", 1)
    was = await state(shop, order)

    answers = {
        "too many": await bring_back(till, order, [line(shop, order, "TEA", 4)]),
        "too many in two rows": await bring_back(till, order, [line(shop, order, "TEA", 2)] * 2),
        "none": await bring_back(till, order, [line(shop, order, "TEA", 0)]),
        "negative": await bring_back(till, order, [line(shop, order, "TEA", -1)]),
        "no lines": await bring_back(till, order, []),
        "another's line": await bring_back(till, order, [line(shop, waiting, "TEA", 1)]),
        "not fetched": await bring_back(till, waiting, [line(shop, waiting, "TEA", 1)]),
        "cancelled": await bring_back(till, gone, [line(shop, gone, "TEA", 1)]),
        "another place": await bring_back(till, order, [tea], location=shop.code("S2")),
        "no place": await bring_back(shop.staff, order, [tea], location="nowhere"),
        "no order": await bring_back(till, {"id": tea["orderLineId"]}, [tea]),
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
    assert await state(shop, order) == was
