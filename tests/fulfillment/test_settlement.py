"""Money that was decided to move is moved once, whatever ends or fails between the decision and the provider."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from after_sales import cancel, move, state, terms, value
from promises import shipped

from client import Refused
from shop import Shop
from uriba.checkout import settlement
from uriba.checkout.gateways import GatewayUnreachable
from uriba.checkout.gateways.sandbox_gateway import SandboxGateway
from uriba.orders import payment_operations
from uriba.worker import sweeps

STEPS = {
    "before it is taken up": (payment_operations, "claim_due"),
    "before the provider is asked": (SandboxGateway, "refund"),
    "after the provider has done it": (payment_operations, "mark_succeeded"),
}
BOOK = "SELECT t.{what} FROM sandbox_charge t JOIN payment p ON p.key = t.key WHERE p.order_id = $1"


class Crash(Exception):
    """The process ended here."""


async def crash(*_: Any, **__: Any) -> None:
    raise Crash


async def make_due(shop: Shop) -> None:
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(
            "UPDATE payment_operation SET next_at = now() WHERE status = 'PENDING' AND next_at < 'infinity'"
        )


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_anywhere_pays_back_once(shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    await shop.receive(TEA_W1=2)
    placed = await shipped(shop, TEA=2)
    with monkeypatch.context() as patch, pytest.raises(Refused) as crashed:
        patch.setattr(*STEPS[step], crash)
        await cancel(shop.staff, placed.order)
    assert crashed.value.codes == ["INTERNAL"]
    decided = await state(shop, placed.order)
    assert (decided["status"], decided["refunded"]["amount"]) == ("CANCELLED", "1296")
    assert [refund["status"] for refund in decided["refunds"]] == ["PENDING"]
    await make_due(shop)

    await sweeps.settle_payments(shop.hub.work)
    await sweeps.settle_payments(shop.hub.work)

    assert [refund["status"] for refund in (await state(shop, placed.order))["refunds"]] == ["SUCCEEDED"]
    assert await value(shop, BOOK.format(what="refunded_minor"), placed.order) == 1296


async def test_many_workers_pay_back_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_W1=2)
    placed = await shipped(shop, TEA=2)
    with monkeypatch.context() as patch, pytest.raises(Refused):
        patch.setattr(payment_operations, "claim_due", crash)
        await cancel(shop.staff, placed.order)

    await asyncio.gather(*(sweeps.settle_payments(shop.hub.work) for _ in range(8)))

    moves = "SELECT count(*) FROM sandbox_operation m JOIN payment p ON p.key = m.charge WHERE p.order_id = $1"
    assert await value(shop, moves, placed.order) == 1
    assert [refund["status"] for refund in (await state(shop, placed.order))["refunds"]] == ["SUCCEEDED"]


async def test_a_provider_that_is_away_is_asked_again_later(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise GatewayUnreachable

    await shop.receive(TEA_W1=2)
    placed = await shipped(shop, TEA=2)
    with monkeypatch.context() as patch:
        patch.setattr(SandboxGateway, "refund", away)
        answer = await cancel(shop.staff, placed.order)
    assert (answer["errors"], answer["order"]["refunds"][0]["status"]) == ([], "PENDING")
    assert await sweeps.settle_payments(shop.hub.work) == 0, "not due yet"
    await make_due(shop)

    await sweeps.settle_payments(shop.hub.work)

    assert (await state(shop, placed.order))["refunds"][0]["status"] == "SUCCEEDED"


async def test_goods_left_and_their_card_is_charged_after_a_crash(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await terms(shop, "web", capture="AT_SHIPMENT")
    await shop.receive(TEA_W1=2)
    placed = await shipped(shop, "web", TEA=2)
    (part,) = (await state(shop, placed.order))["fulfillments"]
    with monkeypatch.context() as patch, pytest.raises(Refused):
        patch.setattr(settlement.Settlement, "settle", crash)
        await move(shop.staff, part, "SHIPPED")
    assert await value(shop, BOOK.format(what="captured_minor"), placed.order) == 0

    await sweeps.settle_payments(shop.hub.work)

    assert await value(shop, BOOK.format(what="captured_minor"), placed.order) == 1796


async def test_a_charge_that_is_refused_at_shipment_is_told_to_people(shop: Shop) -> None:
    await terms(shop, "web", capture="AT_SHIPMENT")
    await shop.receive(TEA_W1=2)
    placed = await shipped(shop, "web", TEA=2)
    (part,) = (await state(shop, placed.order))["fulfillments"]
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(
            "UPDATE sandbox_charge SET status = 'VOIDED' WHERE key IN ("
            "SELECT key FROM payment p JOIN orders o ON o.id = p.order_id WHERE o.number = $1)",
            placed.order["number"],
        )

    sent = await move(shop.staff, part, "SHIPPED")

    assert (sent["errors"], sent["order"]["paymentStatus"]) == ([], "AUTHORIZED")
    assert sent["order"]["payments"][0]["captured"]["amount"] == "0"
    found = await shop.staff.run(
        "{ conflicts(kind: PAYMENT_FAILED, first: 1) { edges { node { order { number } } } } }"
    )
    assert found["conflicts"]["edges"][0]["node"]["order"]["number"] == placed.order["number"]
    assert "capture of the TEST payment" in sent["order"]["timeline"][-1]["message"]
