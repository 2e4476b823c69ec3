"""Payment operations are done once, whatever fails between the decision and the provider's answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.client import Refused
from tests.support.order_calls import cancel_order, change_channel, order_state, update_fulfillment, value_of_order
from tests.support.placed_orders import place_to_ship
from tests.support.shop import Shop
from uriba.checkout import settlement
from uriba.checkout.gateways import GatewayUnreachable
from uriba.checkout.gateways.sandbox_gateway import SandboxGateway
from uriba.db.statements import statement
from uriba.orders import payment_operations
from uriba.worker import sweeps

STEPS = {
    "before it is claimed": (payment_operations, "claim_due"),
    "before the provider is asked": (SandboxGateway, "refund"),
    "after the provider has done it": (payment_operations, "mark_succeeded"),
}
CHARGE = "SELECT t.{column} FROM sandbox_charge t JOIN payment p ON p.key = t.key WHERE p.order_id = :order_id"


class Crash(Exception):
    """Stands for the end of the process."""


async def crash(*_: Any, **__: Any) -> None:
    raise Crash


async def make_due(shop: Shop) -> None:
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(_MAKE_DUE)


_MAKE_DUE = statement("""
    UPDATE payment_operation SET next_at = now() WHERE status = 'PENDING' AND next_at < 'infinity'
""")


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_refunds_once(shop: Shop, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    await shop.receive(TEA_W1=2)
    placed = await place_to_ship(shop, TEA=2)
    with monkeypatch.context() as patch, pytest.raises(Refused) as crashed:
        patch.setattr(*STEPS[step], crash)
        await cancel_order(shop.staff, placed.order)
    assert crashed.value.codes == ["INTERNAL"]
    decided = await order_state(shop, placed.order)
    assert (decided["status"], decided["refunded"]["amount"]) == ("CANCELLED", "1296")
    assert [refund["status"] for refund in decided["refunds"]] == ["PENDING"]
    await make_due(shop)

    await sweeps.settle_payments(shop.hub.work)
    await sweeps.settle_payments(shop.hub.work)

    assert [refund["status"] for refund in (await order_state(shop, placed.order))["refunds"]] == ["SUCCEEDED"]
    assert await value_of_order(shop, CHARGE.format(column="refunded_minor"), placed.order) == 1296


async def test_concurrent_workers_refund_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_W1=2)
    placed = await place_to_ship(shop, TEA=2)
    with monkeypatch.context() as patch, pytest.raises(Refused):
        patch.setattr(payment_operations, "claim_due", crash)
        await cancel_order(shop.staff, placed.order)

    await asyncio.gather(*(sweeps.settle_payments(shop.hub.work) for _ in range(8)))

    operations = (
        "SELECT count(*) FROM sandbox_operation m JOIN payment p ON p.key = m.charge WHERE p.order_id = :order_id"
    )
    assert await value_of_order(shop, operations, placed.order) == 1
    assert [refund["status"] for refund in (await order_state(shop, placed.order))["refunds"]] == ["SUCCEEDED"]


async def test_an_unreachable_provider_is_called_again_later(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: Any, **__: Any) -> None:
        raise GatewayUnreachable

    await shop.receive(TEA_W1=2)
    placed = await place_to_ship(shop, TEA=2)
    with monkeypatch.context() as patch:
        patch.setattr(SandboxGateway, "refund", unreachable)
        answer = await cancel_order(shop.staff, placed.order)
    assert (answer["errors"], answer["order"]["refunds"][0]["status"]) == ([], "PENDING")
    assert await sweeps.settle_payments(shop.hub.work) == 0, "not due yet"
    await make_due(shop)

    await sweeps.settle_payments(shop.hub.work)

    assert (await order_state(shop, placed.order))["refunds"][0]["status"] == "SUCCEEDED"


async def test_a_payment_is_captured_after_a_crash_at_shipment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await change_channel(shop, "web", capture="AT_SHIPMENT")
    await shop.receive(TEA_W1=2)
    placed = await place_to_ship(shop, "web", TEA=2)
    (part,) = (await order_state(shop, placed.order))["fulfillments"]
    with monkeypatch.context() as patch, pytest.raises(Refused):
        patch.setattr(settlement.Settlement, "settle", crash)
        await update_fulfillment(shop.staff, part, "SHIPPED")
    assert await value_of_order(shop, CHARGE.format(column="captured_minor"), placed.order) == 0

    await sweeps.settle_payments(shop.hub.work)

    assert await value_of_order(shop, CHARGE.format(column="captured_minor"), placed.order) == 1796


async def test_a_capture_that_the_provider_refuses_opens_a_conflict(shop: Shop) -> None:
    await change_channel(shop, "web", capture="AT_SHIPMENT")
    await shop.receive(TEA_W1=2)
    placed = await place_to_ship(shop, "web", TEA=2)
    (part,) = (await order_state(shop, placed.order))["fulfillments"]
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(_VOID_CHARGE, number=placed.order["number"])

    sent = await update_fulfillment(shop.staff, part, "SHIPPED")

    assert (sent["errors"], sent["order"]["paymentStatus"]) == ([], "AUTHORIZED")
    assert sent["order"]["payments"][0]["captured"]["amount"] == "0"
    found = await shop.staff.execute(
        "{ conflicts(kind: PAYMENT_FAILED, first: 1) { edges { node { order { number } } } } }"
    )
    assert found["conflicts"]["edges"][0]["node"]["order"]["number"] == placed.order["number"]
    assert "capture of the TEST payment" in sent["order"]["timeline"][-1]["message"]


_VOID_CHARGE = statement("""
    UPDATE sandbox_charge SET status = 'VOIDED' WHERE key IN (
        SELECT key FROM payment p JOIN orders o ON o.id = p.order_id WHERE o.number = :number)
""")
