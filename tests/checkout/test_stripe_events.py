"""Stripe's webhooks, and the tokens that the gateway accepts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from tests.support.fake_stripe import OK, SECRET_KEY, WEBHOOK_SECRET, FakeStripe, fake_stripe
from uriba.checkout.gateways import ChargeResult, InvalidSignature
from uriba.checkout.gateways.stripe_gateway import StripeGateway
from uriba.core.ids import new_id


@pytest.fixture
async def fake() -> AsyncIterator[FakeStripe]:
    async with fake_stripe() as account:
        yield account


def provider(fake: FakeStripe, webhook_secret: str = WEBHOOK_SECRET) -> StripeGateway:
    return StripeGateway(secret_key=SECRET_KEY, webhook_secret=webhook_secret, timeout_s=15, api_base=fake.url)


@pytest.fixture
async def gateway(fake: FakeStripe) -> AsyncIterator[StripeGateway]:
    opened = provider(fake)
    yield opened
    await opened.close()


@pytest.fixture
def key() -> str:
    return f"{new_id()}-0"


async def charge(gateway: StripeGateway, key: str) -> ChargeResult:
    return await gateway.charge(key=key, token=OK, capture=True, amount_minor=1999, currency="EUR")


@pytest.mark.parametrize("token", [None, "", "ok", "tok_visa", "pm_", "pm_a b", "pm_" + "x" * 300])
def test_only_payment_methods_are_tokens(token: str | None) -> None:
    gateway = StripeGateway(secret_key="sk_test", webhook_secret=None, timeout_s=15)

    assert gateway.check_token(token) == "Give the id of a Stripe PaymentMethod as the token: pm_..."
    assert gateway.check_token("pm_1Nv0FGQ9RKHgCVdK") is None


async def test_a_signed_event_has_the_same_id_as_the_answer(fake: FakeStripe, gateway: StripeGateway, key: str) -> None:
    taken = await charge(gateway, key)

    event = gateway.parse_event(*fake.event("payment_intent.succeeded", fake.intent_of(key)))

    assert event is not None
    assert (event.event, event.key, event.kind) == (taken.event, key, "payment_intent.succeeded")


async def test_a_refund_that_failed_later_is_an_event_of_its_charge(
    fake: FakeStripe, gateway: StripeGateway, key: str
) -> None:
    await charge(gateway, key)
    refund = fake.refunds[await gateway.refund(key=key, operation="o", amount_minor=5, currency="EUR")]

    event = gateway.parse_event(*fake.event("refund.failed", refund))

    assert event is not None
    assert (event.key, event.kind, event.event[:4]) == (key, "refund.failed", "evt_")


async def test_events_of_other_charges_are_ignored(fake: FakeStripe, gateway: StripeGateway, key: str) -> None:
    await charge(gateway, key)
    foreign = {"id": "pi_other", "object": "payment_intent", "status": "succeeded", "metadata": {}}

    assert gateway.parse_event(*fake.event("payment_intent.succeeded", foreign)) is None
    assert gateway.parse_event(*fake.event("payment_intent.created", fake.intent_of(key))) is None
    assert gateway.parse_event(*fake.event("customer.created", {"id": "cus_1", "object": "customer"})) is None
    assert gateway.parse_event(*fake.event("payment_intent.succeeded", {"id": 7})) is None


async def test_a_forged_event_is_refused(fake: FakeStripe, gateway: StripeGateway, key: str) -> None:
    await charge(gateway, key)
    intent, kind = fake.intent_of(key), "payment_intent.succeeded"
    headers, body = fake.event(kind, intent)
    forged = [
        ({}, body),
        ({"stripe-signature": ""}, body),
        ({"stripe-signature": "t=1,v1="}, body),
        ({"stripe-signature": "t=x,v1=é"}, body),
        ({"stripe-signature": headers["stripe-signature"][:-1] + "é"}, body),
        (headers, body + b" "),
        (headers, b"\xff\xfe"),
        fake.event(kind, intent, secret="whsec_other"),
        fake.event(kind, intent, at=int(time.time()) - 301),
    ]

    for event in forged:
        with pytest.raises(InvalidSignature):
            gateway.parse_event(*event)
    with pytest.raises(InvalidSignature):
        provider(fake, webhook_secret="").parse_event(headers, body)
