"""Checkouts paid by Stripe: answer, event and sweep end in one order; its captures, voids and refunds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.checkout_calls import codes, make_due, order_count, read, stock_quantities, wait_for_attempt
from tests.support.client import Client
from tests.support.fake_stripe import ACTION, DECLINED, OK, FakeStripe, fake_stripe
from tests.support.hub import RunningHub
from tests.support.shop import ERRORS, Shop
from tests.support.stripe_hub import cart_awaiting_customer, cart_of_guest, pay, post_event, stripe_shop
from tests.support.waiting import wait_until
from uriba import embedded
from uriba.checkout import completion
from uriba.core import ids


@pytest.fixture
async def fake() -> AsyncIterator[FakeStripe]:
    async with fake_stripe() as account:
        yield account


@pytest.fixture
async def at_stripe(
    hub: RunningHub, fake: FakeStripe, engines: embedded.EngineAddresses, tmp_path: Path
) -> AsyncIterator[Shop]:
    async with stripe_shop(hub, fake, engines, tmp_path) as opened:
        yield opened


async def test_a_card_charged_by_stripe_places_an_order(at_stripe: Shop, fake: FakeStripe) -> None:
    guest, cart = await cart_of_guest(at_stripe)

    done = await pay(guest, cart, "STRIPE", OK)

    (intent,) = fake.intents.values()
    assert done["errors"] == [] and done["order"]["paymentStatus"] == "PAID"
    assert done["order"]["payments"] == [{"method": "STRIPE", "status": "PAID", "reference": intent["id"]}]
    assert (intent["amount"], intent["currency"], intent["amount_received"]) == (1296, "jpy", 1296)


async def test_a_card_that_stripe_declines_reopens_the_cart(at_stripe: Shop, fake: FakeStripe) -> None:
    guest, cart = await cart_of_guest(at_stripe)

    refused = await pay(guest, cart, "STRIPE", DECLINED)

    assert [(e["code"], e["message"]) for e in refused["errors"]] == [
        ("PAYMENT_DECLINED", "Your card was declined."),
    ]
    assert [i["status"] for i in fake.intents.values()] == ["canceled"]
    assert (await read(guest, cart))["status"] == "ACTIVE"
    assert (await pay(guest, cart, "STRIPE", OK, key="K2"))["errors"] == []


async def test_a_token_that_is_no_payment_method_is_refused_before_anything_is_done(
    at_stripe: Shop, fake: FakeStripe
) -> None:
    guest, cart = await cart_of_guest(at_stripe)

    refused = await pay(guest, cart, "STRIPE", "4242424242424242")

    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("INVALID", ["payments", "0", "token"])]
    assert fake.seen == []


async def test_stripes_event_completes_a_second_step_and_a_repeat_is_not_new(at_stripe: Shop, fake: FakeStripe) -> None:
    guest, cart, key = await cart_awaiting_customer(at_stripe, "STRIPE", ACTION)
    fake.authenticate(key, approved=True)
    event = fake.event("payment_intent.succeeded", fake.intent_of(key))

    answers = [await post_event(at_stripe, "stripe", *event) for _ in range(3)]

    assert [(a.status_code, a.json()) for a in answers] == [(200, {"new": n}) for n in (True, False, False)]
    assert (await read(guest, cart))["status"] == "ORDERED"
    assert await order_count(at_stripe, cart) == 1
    assert fake.intent_of(key)["amount_received"] == 1296


async def test_events_out_of_order_end_in_the_state_that_stripe_has(at_stripe: Shop, fake: FakeStripe) -> None:
    guest, cart, key = await cart_awaiting_customer(at_stripe, "STRIPE", ACTION)
    early = fake.event("payment_intent.requires_action", fake.intent_of(key))
    fake.authenticate(key, approved=True)
    late = fake.event("payment_intent.succeeded", fake.intent_of(key))

    assert (await post_event(at_stripe, "stripe", *late)).status_code == 200
    assert (await post_event(at_stripe, "stripe", *early)).status_code == 200

    assert (await read(guest, cart))["status"] == "ORDERED"
    assert (await pay(guest, cart, "STRIPE", ACTION))["order"]["paymentStatus"] == "PAID"


async def test_an_event_alone_does_not_prove_a_payment(at_stripe: Shop, fake: FakeStripe) -> None:
    guest, cart, key = await cart_awaiting_customer(at_stripe, "STRIPE", ACTION)
    lie = fake.event("payment_intent.succeeded", fake.intent_of(key) | {"status": "succeeded"})

    assert (await post_event(at_stripe, "stripe", *lie)).status_code == 200

    assert await order_count(at_stripe, cart) == 0
    assert codes(await pay(guest, cart, "STRIPE", ACTION)) == ["PAYMENT_ACTION_REQUIRED"]


async def test_stripes_event_of_a_failed_second_step_reopens_the_cart(at_stripe: Shop, fake: FakeStripe) -> None:
    guest, cart, key = await cart_awaiting_customer(at_stripe, "STRIPE", ACTION)
    fake.authenticate(key, approved=False)

    assert (
        await post_event(at_stripe, "stripe", *fake.event("payment_intent.payment_failed", fake.intent_of(key)))
    ).is_success

    assert (await read(guest, cart))["status"] == "ACTIVE"
    assert fake.intent_of(key)["status"] == "canceled"
    assert await stock_quantities(at_stripe, "TEA", "W1") == (5, 0, 0)


async def test_an_event_before_stripes_answer_places_the_one_order(at_stripe: Shop, fake: FakeStripe) -> None:
    guest, cart = await cart_of_guest(at_stripe)
    fake.faults.append(("confirm", "hang"))
    paying = asyncio.create_task(pay(guest, cart, "STRIPE", OK))
    key = f"{await wait_for_attempt(at_stripe, cart)}-0"
    intent = await wait_until(lambda: _succeeded(fake, key))

    answer = await post_event(at_stripe, "stripe", *fake.event("payment_intent.succeeded", intent))
    at_that = await order_count(at_stripe, cart)
    await paying

    assert (answer.json(), at_that) == ({"new": True}, 1)
    assert (await pay(guest, cart, "STRIPE", OK))["order"]["paymentStatus"] == "PAID"
    assert (await order_count(at_stripe, cart), fake.intent_of(key)["amount_received"]) == (1, 1296)


async def _succeeded(fake: FakeStripe, key: str) -> dict[str, Any] | None:
    found = [i for i in fake.intents.values() if i["metadata"]["uriba_charge"] == key and i["status"] == "succeeded"]
    return found[0] if found else None


async def test_the_sweep_finds_a_charge_whose_answer_was_lost(at_stripe: Shop, fake: FakeStripe) -> None:
    guest, cart = await cart_of_guest(at_stripe)
    fake.faults.append(("confirm", "lose"))
    assert codes(await pay(guest, cart, "STRIPE", OK)) == ["PAYMENT_PENDING"]
    await make_due(at_stripe, cart)

    await completion.sweep(at_stripe.hub.work.checkout)

    assert (await read(guest, cart))["status"] == "ORDERED"
    assert [i["amount_received"] for i in fake.intents.values()] == [1296]


async def test_a_late_event_of_stripe_does_not_reopen_an_ended_attempt(at_stripe: Shop, fake: FakeStripe) -> None:
    guest, cart, key = await cart_awaiting_customer(at_stripe, "STRIPE", ACTION)
    fake.authenticate(key, approved=False)
    assert codes(await pay(guest, cart, "STRIPE", ACTION)) == ["PAYMENT_DECLINED"]
    late = fake.event("payment_intent.succeeded", fake.intent_of(key) | {"status": "succeeded"})

    answer = await post_event(at_stripe, "stripe", *late)

    assert (answer.status_code, answer.json()) == (200, {"new": True})
    assert (await order_count(at_stripe, cart), (await read(guest, cart))["status"]) == (0, "ACTIVE")


async def place_order(shop: Shop) -> tuple[Client, dict[str, Any]]:
    """An order of ¥1,296 by card."""
    guest, cart = await cart_of_guest(shop)
    done = await pay(guest, cart, "STRIPE", OK)
    assert done["errors"] == []
    return guest, done["order"]


async def capture_at_shipment(shop: Shop) -> None:
    """From now on, the channel app captures when goods leave."""
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run("UPDATE channel SET capture = 'AT_SHIPMENT' WHERE code = $1", shop.code("app"))


async def cancel_order(shop: Shop, order: dict[str, Any]) -> None:
    mutation = f"mutation ($o: ID!) {{ orderCancel(orderId: $o) {{ order {{ id }} {ERRORS} }} }}"
    assert (await shop.staff.mutate(mutation, o=order["id"]))["errors"] == []


async def ship_order(shop: Shop, order: dict[str, Any]) -> dict[str, Any]:
    """The order, once all of it has left."""
    found = "query ($o: ID!) { order(id: $o) { paymentStatus lines { id } fulfillments { id } } }"
    (part,) = (await shop.staff.execute(found, o=order["id"]))["order"]["fulfillments"]
    payload = await shop.staff.mutate(
        f"mutation ($f: ID!) {{ fulfillmentUpdate(fulfillmentId: $f, status: SHIPPED) {{ order {{ id }} {ERRORS} }} }}",
        f=part["id"],
    )
    assert payload["errors"] == []
    return (await shop.staff.execute(found, o=order["id"]))["order"]  # type: ignore[no-any-return]


async def return_units(shop: Shop, order: dict[str, Any], line_id: str, units: int) -> None:
    line = {"orderLineId": line_id, "quantity": units}
    payload = await (await shop.terminal("S1")).mutate(
        f"mutation ($i: OrderReturnInput!) {{ orderReturn(input: $i) {{ order {{ id }} {ERRORS} }} }}",
        i={"orderId": order["id"], "lines": [line], "idempotencyKey": uuid4().hex},
    )
    assert payload["errors"] == []


async def test_an_order_that_is_cancelled_is_refunded_at_stripe(at_stripe: Shop, fake: FakeStripe) -> None:
    _, order = await place_order(at_stripe)

    await cancel_order(at_stripe, order)

    (intent,) = fake.intents.values()
    assert intent["latest_charge"]["refunded"] is True
    assert [r["amount"] for r in fake.refunds.values()] == [1296]


async def test_an_authorized_payment_is_captured_at_shipment(at_stripe: Shop, fake: FakeStripe) -> None:
    await capture_at_shipment(at_stripe)
    _, order = await place_order(at_stripe)
    (intent,) = fake.intents.values()
    assert (order["paymentStatus"], intent["status"], intent["amount_received"]) == (
        "AUTHORIZED",
        "requires_capture",
        0,
    )

    sent = await ship_order(at_stripe, order)

    assert (sent["paymentStatus"], intent["status"], intent["amount_received"]) == ("PAID", "succeeded", 1296)


async def test_an_authorized_payment_is_voided_when_its_order_is_cancelled(at_stripe: Shop, fake: FakeStripe) -> None:
    await capture_at_shipment(at_stripe)
    _, order = await place_order(at_stripe)

    await cancel_order(at_stripe, order)

    assert [i["status"] for i in fake.intents.values()] == ["canceled"]


async def test_returned_units_are_refunded_one_by_one_even_if_an_answer_is_lost(
    at_stripe: Shop, fake: FakeStripe
) -> None:
    _, order = await place_order(at_stripe)
    (line,) = (await ship_order(at_stripe, order))["lines"]
    fake.faults.append(("refund", "lose"))

    await return_units(at_stripe, order, line["id"], 1)
    await return_units(at_stripe, order, line["id"], 1)
    await at_stripe.hub.work.checkout.settlement.settle(_order_id(order))

    (intent,) = fake.intents.values()
    assert [r["amount"] for r in fake.refunds.values()] == [648, 648]
    assert intent["latest_charge"]["refunded"] is True


def _order_id(order: dict[str, Any]) -> UUID:
    found = ids.uuid(order["id"], "Order")
    assert found is not None
    return found
