"""A payment that its customer has to confirm, and what a provider tells of by itself: one order, or none, once."""

from __future__ import annotations

import asyncio
from typing import Any

from paying import attempts, buckets, charges, make_due, orders, read, shipped, told

from client import Client
from shop import ORDER, Shop
from uriba.checkout.gateways import ProviderEvent
from uriba.checkout.gateways.sandbox_gateway import SandboxGateway
from uriba.worker import sweeps

CHECKOUT = f"""mutation ($input: CheckoutInput!) {{ checkout(input: $input) {{
    order {{ {ORDER} }} action {{ url clientSecret }} errors {{ code message path }} }} }}"""


async def ask(client: Client, cart: dict[str, Any], token: str = "action") -> dict[str, Any]:
    payment = {"method": "TEST", "token": token, "amount": {"amount": cart["total"]["amount"], "currency": "JPY"}}
    return await client.do(CHECKOUT, input={"cartId": cart["id"], "idempotencyKey": "K", "payments": [payment]})


def provider(shop: Shop) -> SandboxGateway:
    found = shop.hub.work.checkout.gateways["TEST"]
    assert isinstance(found, SandboxGateway)
    return found


async def charge(shop: Shop, cart: dict[str, Any]) -> str:
    """The key of the cart's one charge."""
    (attempt,) = await attempts(shop, cart)
    return f"{attempt['id']}-0"


async def waiting(shop: Shop) -> tuple[Client, dict[str, Any]]:
    """A guest's cart that waits for its customer's second step."""
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await shipped(shop, guest, TEA=2)
    payload = await ask(guest, cart)
    assert told(payload) == [("PAYMENT_ACTION_REQUIRED", ["payments"])]
    assert payload["action"]["url"] == f"/payments/test/{await charge(shop, cart)}"
    return guest, cart


async def test_the_same_key_goes_on_once_the_customer_has_confirmed(shop: Shop) -> None:
    guest, cart = await waiting(shop)
    assert told(await ask(guest, cart)) == [("PAYMENT_ACTION_REQUIRED", ["payments"])], "asked too early"
    assert await buckets(shop, "TEA", "W1") == (5, 0, 2), "its stock is held meanwhile"

    await provider(shop).decide(key=await charge(shop, cart), approved=True)
    done = await ask(guest, cart)

    assert (done["errors"], done["action"], done["order"]["paymentStatus"]) == ([], None, "PAID")
    assert await charges(shop, cart) == [("CAPTURED", 1296)]
    assert await buckets(shop, "TEA", "W1") == (5, 2, 0)


async def test_who_refuses_the_second_step_keeps_the_cart(shop: Shop) -> None:
    guest, cart = await waiting(shop)

    await provider(shop).decide(key=await charge(shop, cart), approved=False)

    assert told(await ask(guest, cart)) == [("PAYMENT_DECLINED", ["payments"])]
    assert (await read(guest, cart))["status"] == "ACTIVE"
    assert await buckets(shop, "TEA", "W1") == (5, 0, 0)


async def test_a_customer_who_never_comes_back_is_found_by_the_sweep(shop: Shop) -> None:
    guest, cart = await waiting(shop)
    await provider(shop).decide(key=await charge(shop, cart), approved=True)
    await make_due(shop, cart)

    await sweeps.finish_checkouts(shop.hub.work)

    assert (await read(guest, cart))["status"] == "ORDERED"
    assert await orders(shop, cart) == 1


async def test_one_who_never_confirms_loses_the_goods_when_the_hold_ends(shop: Shop) -> None:
    guest, cart = await waiting(shop)
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(
            "UPDATE checkout_attempt SET created_at = now() - interval '1 hour', next_at = now() WHERE id = $1",
            (await attempts(shop, cart))[0]["id"],
        )

    await sweeps.finish_checkouts(shop.hub.work)

    assert told(await ask(guest, cart)) == [("PAYMENT_DECLINED", ["payments"])]
    assert [status for status, _ in await charges(shop, cart)] == ["VOIDED"]
    assert await buckets(shop, "TEA", "W1") == (5, 0, 0)


async def test_reply_webhook_and_sweep_at_once_make_one_order(shop: Shop) -> None:
    guest, cart = await waiting(shop)
    key = await charge(shop, cart)
    await provider(shop).decide(key=key, approved=True)
    event = ProviderEvent(event=f"{key}:CAPTURED", key=key, kind="CAPTURED")
    checkout = shop.hub.work.checkout
    await make_due(shop, cart)

    await asyncio.gather(
        ask(guest, cart),
        ask(guest, cart),
        *(checkout.receive("TEST", event) for _ in range(3)),
        sweeps.finish_checkouts(shop.hub.work),
    )

    assert await orders(shop, cart) == 1
    assert (await read(guest, cart))["status"] == "ORDERED"
    assert await checkout.receive("TEST", event) is False, "heard before"


async def test_a_late_event_revives_no_attempt_that_has_ended(shop: Shop) -> None:
    guest, cart = await waiting(shop)
    key = await charge(shop, cart)
    await provider(shop).decide(key=key, approved=False)
    assert told(await ask(guest, cart)) == [("PAYMENT_DECLINED", ["payments"])]
    before = await read(guest, cart)

    heard = await shop.hub.work.checkout.receive("TEST", ProviderEvent(event=f"{key}:late", key=key, kind="CAPTURED"))

    assert heard is True
    assert (await read(guest, cart), await orders(shop, cart)) == (before, 0)
    assert await buckets(shop, "TEA", "W1") == (5, 0, 0)


async def test_an_event_of_no_charge_of_ours_is_kept_and_nothing_else(shop: Shop) -> None:
    checkout = shop.hub.work.checkout

    assert (
        await checkout.receive("TEST", ProviderEvent(event=f"x-{shop.mark}", key="nobody's", kind="CAPTURED")) is True
    )
    assert (
        await checkout.receive("TEST", ProviderEvent(event=f"x-{shop.mark}", key="nobody's", kind="CAPTURED")) is False
    )


async def test_a_refund_that_did_not_arrive_is_told_to_people(shop: Shop) -> None:
    guest, cart = await waiting(shop)
    key = await charge(shop, cart)
    await provider(shop).decide(key=key, approved=True)
    order = (await ask(guest, cart))["order"]

    await shop.hub.work.checkout.receive("TEST", ProviderEvent(event=f"{key}:gone", key=key, kind="refund.failed"))

    found = await shop.staff.run(
        "{ conflicts(kind: PAYMENT_FAILED, first: 1) { edges { node { order { number } } } } }"
    )
    assert found["conflicts"]["edges"][0]["node"]["order"]["number"] == order["number"]
