"""Payments that their customer has to confirm, and events of providers: one order or none."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.checkout_calls import (
    attempts,
    cart_to_ship,
    charges,
    codes_and_paths,
    make_due,
    order_count,
    read,
    stock_quantities,
)
from tests.support.client import Client
from tests.support.shop import ORDER, Shop
from uriba.checkout.gateways import ProviderEvent
from uriba.checkout.gateways.sandbox_gateway import SandboxGateway
from uriba.worker import sweeps

CHECKOUT = f"""mutation ($input: CheckoutInput!) {{ checkout(input: $input) {{
    order {{ {ORDER} }} action {{ url clientSecret }} errors {{ code message path }} }} }}"""


async def check_out(client: Client, cart: dict[str, Any], token: str = "action") -> dict[str, Any]:
    payment = {"method": "TEST", "token": token, "amount": {"amount": cart["total"]["amount"], "currency": "JPY"}}
    return await client.mutate(CHECKOUT, input={"cartId": cart["id"], "idempotencyKey": "K", "payments": [payment]})


def provider(shop: Shop) -> SandboxGateway:
    found = shop.hub.work.checkout.gateways["TEST"]
    assert isinstance(found, SandboxGateway)
    return found


async def charge_key(shop: Shop, cart: dict[str, Any]) -> str:
    """The key of the cart's one charge."""
    (attempt,) = await attempts(shop, cart)
    return f"{attempt['id']}-0"


async def cart_awaiting_customer(shop: Shop) -> tuple[Client, dict[str, Any]]:
    """A guest's cart that waits for its customer's second step."""
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)
    payload = await check_out(guest, cart)
    assert codes_and_paths(payload) == [("PAYMENT_ACTION_REQUIRED", ["payments"])]
    assert payload["action"]["url"] == f"/payments/test/{await charge_key(shop, cart)}"
    return guest, cart


async def test_the_same_key_continues_after_the_customer_confirmed(shop: Shop) -> None:
    guest, cart = await cart_awaiting_customer(shop)
    assert codes_and_paths(await check_out(guest, cart)) == [("PAYMENT_ACTION_REQUIRED", ["payments"])], (
        "called too early"
    )
    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 2), "its stock is held meanwhile"

    await provider(shop).decide(key=await charge_key(shop, cart), approved=True)
    done = await check_out(guest, cart)

    assert (done["errors"], done["action"], done["order"]["paymentStatus"]) == ([], None, "PAID")
    assert await charges(shop, cart) == [("CAPTURED", 1296)]
    assert await stock_quantities(shop, "TEA", "W1") == (5, 2, 0)


async def test_a_refused_second_step_reopens_the_cart(shop: Shop) -> None:
    guest, cart = await cart_awaiting_customer(shop)

    await provider(shop).decide(key=await charge_key(shop, cart), approved=False)

    assert codes_and_paths(await check_out(guest, cart)) == [("PAYMENT_DECLINED", ["payments"])]
    assert (await read(guest, cart))["status"] == "ACTIVE"
    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 0)


async def test_the_sweep_completes_a_confirmed_payment_that_is_not_called_again(shop: Shop) -> None:
    guest, cart = await cart_awaiting_customer(shop)
    await provider(shop).decide(key=await charge_key(shop, cart), approved=True)
    await make_due(shop, cart)

    await sweeps.finish_checkouts(shop.hub.work)

    assert (await read(guest, cart))["status"] == "ORDERED"
    assert await order_count(shop, cart) == 1


async def test_an_unconfirmed_payment_is_voided_when_its_hold_expires(shop: Shop) -> None:
    guest, cart = await cart_awaiting_customer(shop)
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(
            "UPDATE checkout_attempt SET created_at = now() - interval '1 hour', next_at = now() WHERE id = $1",
            (await attempts(shop, cart))[0]["id"],
        )

    await sweeps.finish_checkouts(shop.hub.work)

    assert codes_and_paths(await check_out(guest, cart)) == [("PAYMENT_DECLINED", ["payments"])]
    assert [status for status, _ in await charges(shop, cart)] == ["VOIDED"]
    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 0)


async def test_answer_webhook_and_sweep_at_once_place_one_order(shop: Shop) -> None:
    guest, cart = await cart_awaiting_customer(shop)
    key = await charge_key(shop, cart)
    await provider(shop).decide(key=key, approved=True)
    event = ProviderEvent(event=f"{key}:CAPTURED", key=key, kind="CAPTURED")
    checkout = shop.hub.work.checkout
    await make_due(shop, cart)

    await asyncio.gather(
        check_out(guest, cart),
        check_out(guest, cart),
        *(checkout.receive("TEST", event) for _ in range(3)),
        sweeps.finish_checkouts(shop.hub.work),
    )

    assert await order_count(shop, cart) == 1
    assert (await read(guest, cart))["status"] == "ORDERED"
    assert await checkout.receive("TEST", event) is False, "received before"


async def test_a_late_event_does_not_reopen_an_ended_attempt(shop: Shop) -> None:
    guest, cart = await cart_awaiting_customer(shop)
    key = await charge_key(shop, cart)
    await provider(shop).decide(key=key, approved=False)
    assert codes_and_paths(await check_out(guest, cart)) == [("PAYMENT_DECLINED", ["payments"])]
    before = await read(guest, cart)

    new = await shop.hub.work.checkout.receive("TEST", ProviderEvent(event=f"{key}:late", key=key, kind="CAPTURED"))

    assert new is True
    assert (await read(guest, cart), await order_count(shop, cart)) == (before, 0)
    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 0)


async def test_an_event_of_an_unknown_charge_is_only_recorded(shop: Shop) -> None:
    checkout = shop.hub.work.checkout

    assert (
        await checkout.receive("TEST", ProviderEvent(event=f"x-{shop.suffix}", key="nobody's", kind="CAPTURED")) is True
    )
    assert (
        await checkout.receive("TEST", ProviderEvent(event=f"x-{shop.suffix}", key="nobody's", kind="CAPTURED"))
        is False
    )


async def test_a_failed_refund_opens_a_case_for_staff(shop: Shop) -> None:
    guest, cart = await cart_awaiting_customer(shop)
    key = await charge_key(shop, cart)
    await provider(shop).decide(key=key, approved=True)
    order = (await check_out(guest, cart))["order"]

    await shop.hub.work.checkout.receive("TEST", ProviderEvent(event=f"{key}:gone", key=key, kind="refund.failed"))

    found = await shop.staff.execute(
        "{ conflicts(kind: PAYMENT_FAILED, first: 1) { edges { node { order { number } } } } }"
    )
    assert found["conflicts"]["edges"][0]["node"]["order"]["number"] == order["number"]
