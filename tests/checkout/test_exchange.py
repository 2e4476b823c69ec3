"""Exchanges at a till: a return and an order in one transaction, where only the difference is paid."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from tests.support.checkout_calls import cash, codes_and_paths
from tests.support.client import Client
from tests.support.shop import ERRORS, ORDER, Shop

EXCHANGE = f"""mutation ($i: OrderExchangeInput!) {{ orderExchange(input: $i) {{
    orderReturn {{ refund {{ amount }} exchange {{ number }} }}
    order {{ paymentStatus refunded {{ amount }} refunds {{ method status reason amount {{ amount }} }} }}
    exchange {{ {ORDER} exchangeOf {{ number }} }} {ERRORS} }} }}"""


async def buy(shop: Shop, till: Client, **units: int) -> dict[str, Any]:
    payload = await shop.check_out(till, await shop.create_cart(till, **units), method="CASH")
    assert not payload["errors"], payload
    return payload["order"]  # type: ignore[no-any-return]


async def exchange(
    till: Client,
    order: dict[str, Any],
    cart: dict[str, Any],
    *payments: dict[str, Any],
    quantity: int = 1,
    **given: Any,
) -> dict[str, Any]:
    tenders = [p | {"amount": {"amount": p["amount"], "currency": "JPY"}} for p in payments]
    return await till.mutate(
        EXCHANGE,
        i={
            "orderId": order["id"],
            "lines": [{"orderLineId": order["lines"][0]["id"], "quantity": quantity}],
            "cartId": cart["id"],
            "idempotencyKey": uuid4().hex,
            "payments": tenders,
            **given,
        },
    )


async def test_an_exchange_for_dearer_goods_costs_the_difference(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, POT_S1=1)
    till = await shop.terminal("S1")
    order = await buy(shop, till, TEA=2)

    done = await exchange(till, order, await shop.create_cart(till, POT=1), cash("2652"))

    assert not done["errors"], done
    new = done["exchange"]
    assert (new["exchangeOf"]["number"], done["orderReturn"]["exchange"]["number"]) == (order["number"], new["number"])
    assert [(p["method"], p["amount"]["amount"]) for p in new["payments"]] == [("EXCHANGE", "648"), ("CASH", "2652")]
    assert done["order"]["refunds"] == [
        {"method": "CASH", "status": "SUCCEEDED", "reason": "EXCHANGED", "amount": {"amount": "648"}}
    ]
    assert ((await shop.stock_level("TEA", "S1"))["onHand"], (await shop.stock_level("POT", "S1"))["onHand"]) == (1, 0)


async def test_an_exchange_for_cheaper_goods_refunds_the_difference(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1)
    till = await shop.terminal("S1")
    order = await buy(shop, till, POT=1)

    done = await exchange(till, order, await shop.create_cart(till, TEA=1))

    assert not done["errors"], done
    assert [(r["reason"], r["amount"]["amount"]) for r in done["order"]["refunds"]] == [
        ("EXCHANGED", "648"),
        ("RETURNED", "2652"),
    ]
    assert (done["order"]["paymentStatus"], done["exchange"]["paymentStatus"]) == ("REFUNDED", "PAID")


async def test_an_exchange_may_sell_the_units_that_it_returns(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    till = await shop.terminal("S1")
    order = await buy(shop, till, TEA=1)
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 0

    done = await exchange(till, order, await shop.create_cart(till, TEA=1))

    assert (done["errors"], done["exchange"]["status"]) == ([], "COMPLETED")
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 0


async def test_one_key_exchanges_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=4)
    till = await shop.terminal("S1")
    order, cart = await buy(shop, till, TEA=2), await shop.create_cart(till, TEA=1)

    answers = await asyncio.gather(*(exchange(till, order, cart, idempotencyKey="once") for _ in range(4)))

    assert len({answer["exchange"]["number"] for answer in answers}) == 1
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 2


async def test_bad_input_changes_nothing(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1)
    till = await shop.terminal("S1")
    order = await buy(shop, till, TEA=1)
    pot, cup = await shop.create_cart(till, POT=1), await shop.create_cart(till, CUP=1)

    assert codes_and_paths(await exchange(till, order, pot, cash("2651"))) == [("PAYMENT_MISMATCH", ["payments"])]
    assert codes_and_paths(await exchange(till, order, pot, cash("2652"), quantity=2)) == [
        ("INVALID_QUANTITY", ["lines", "0", "quantity"])
    ]
    card = {"method": "TEST", "token": "ok", "amount": "2652"}
    assert codes_and_paths(await exchange(till, order, pot, card)) == [("INVALID", ["payments", "0", "method"])]
    assert [code for code, _ in codes_and_paths(await exchange(till, order, cup, cash("12934")))] == ["OUT_OF_STOCK"]
    assert ((await shop.stock_level("TEA", "S1"))["onHand"], (await shop.stock_level("POT", "S1"))["onHand"]) == (0, 1)
    assert not (await exchange(till, order, pot, cash("2652")))["errors"]
