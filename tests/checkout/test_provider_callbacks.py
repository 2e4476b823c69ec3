"""Webhooks of payment providers, and the page of the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from tests.support.checkout_calls import charges, codes, order_count, read, stock_quantities
from tests.support.fake_stripe import ACTION, FakeStripe, fake_stripe
from tests.support.hub import RunningHub
from tests.support.shop import Shop
from tests.support.stripe_hub import cart_awaiting_customer, pay, post_event, signed_sandbox_event, stripe_shop
from uriba import app, embedded
from uriba.checkout.gateways.sandbox_gateway import SIGNATURE_HEADER
from uriba.config import Env, Settings, UnsafeSettings, to_environment


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


async def recorded_events(shop: Shop, key: str) -> int:
    async with shop.hub.database.reading() as session:
        return int(await session.fetchval("SELECT count(*) FROM provider_event WHERE charge = $1", key))


async def test_forged_events_are_refused_and_not_kept(at_stripe: Shop, fake: FakeStripe) -> None:
    _, cart, key = await cart_awaiting_customer(at_stripe, "STRIPE", ACTION)
    fake.authenticate(key, approved=True)
    intent, kind = fake.intent_of(key), "payment_intent.succeeded"
    headers, body = fake.event(kind, intent)
    forged = [
        ("stripe", {}, body),
        ("stripe", headers, body + b" "),
        ("stripe", {"stripe-signature": headers["stripe-signature"].encode() + "é".encode("latin-1")}, body),
        ("stripe", *fake.event(kind, intent, secret="whsec_other")),
        ("stripe", *fake.event(kind, intent, at=1)),
        ("test", {}, body),
        ("test", {SIGNATURE_HEADER: "é".encode("latin-1")}, body),
        ("test", *fake.event(kind, intent)),
    ]

    answers = [await post_event(at_stripe, *answer) for answer in forged]

    assert {a.status_code for a in answers} == {400}
    assert {a.json()["errors"][0]["message"] for a in answers} == {"This event is not signed by the payment provider."}
    assert (await recorded_events(at_stripe, key), await order_count(at_stripe, cart)) == (0, 0)


async def test_a_provider_that_is_not_configured_has_no_callback(shop: Shop) -> None:
    for provider in ("stripe", "cash", "nobody"):
        answer = await post_event(shop, provider, {}, b"{}")
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (404, "NOT_FOUND")


async def test_an_event_that_is_too_large_is_refused(shop: Shop) -> None:
    assert (await post_event(shop, "test", {}, b" " * 256_001)).status_code == 413


async def test_signed_events_of_other_charges_are_answered(at_stripe: Shop, fake: FakeStripe) -> None:
    answer = await post_event(at_stripe, "stripe", *fake.event("customer.created", {"id": "cus_1"}))
    key = f"{uuid4()}-0"
    unknown = await post_event(at_stripe, "test", *signed_sandbox_event(key, "CAPTURED"))

    assert (answer.status_code, answer.json()) == (200, {"new": False})
    assert (unknown.status_code, unknown.json(), await recorded_events(at_stripe, key)) == (200, {"new": True}, 1)


async def test_concurrent_copies_of_an_event_are_recorded_once(shop: Shop) -> None:
    guest, cart, key = await cart_awaiting_customer(shop, "TEST", "action")
    await post_event(shop, "test", {"content-type": "application/x-www-form-urlencoded"}, b"decision=approve", path=key)

    answers = await asyncio.gather(*(post_event(shop, "test", *signed_sandbox_event(key, "late")) for _ in range(8)))

    assert sorted(a.json()["new"] for a in answers) == [False] * 7 + [True]
    assert (await order_count(shop, cart), (await read(guest, cart))["status"]) == (1, "ORDERED")


async def open_page(shop: Shop, path: str) -> httpx.Response:
    async with httpx.AsyncClient() as browser:
        return await browser.get(shop.hub.url.replace("/graphql", path))


async def decide(shop: Shop, key: str, form: bytes) -> httpx.Response:
    return await post_event(shop, "test", {"content-type": "application/x-www-form-urlencoded"}, form, path=key)


async def test_the_page_shows_the_amount_and_two_buttons_and_runs_nothing(shop: Shop) -> None:
    guest, cart, key = await cart_awaiting_customer(shop, "TEST", "action")
    action = (await pay(guest, cart, "TEST", "action"))["action"]

    page = await open_page(shop, action["url"])

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<h1>¥1,296</h1>" in page.text
    assert page.text.count("<button") == 2 and "<script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; form-action 'self'")
    await decide(shop, key, b"decision=refuse")


async def test_an_approval_places_the_order_without_another_call(shop: Shop) -> None:
    guest, cart, key = await cart_awaiting_customer(shop, "TEST", "action")

    answer = await decide(shop, key, b"decision=approve")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/payments/test/{key}")
    assert (await read(guest, cart))["status"] == "ORDERED"
    page = await open_page(shop, f"/payments/test/{key}")
    assert "was approved" in page.text and "<button" not in page.text
    await decide(shop, key, b"decision=refuse")
    assert await charges(shop, cart) == [("CAPTURED", 1296)], "who has decided has decided"


async def test_a_refusal_reopens_the_cart_at_once(shop: Shop) -> None:
    guest, cart, key = await cart_awaiting_customer(shop, "TEST", "action")

    assert (await decide(shop, key, b"decision=refuse")).status_code == 303

    assert (await read(guest, cart))["status"] == "ACTIVE"
    assert "refused or cancelled" in (await open_page(shop, f"/payments/test/{key}")).text
    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 0)


@pytest.mark.parametrize("form", [b"", b"decision=", b"decision=maybe", b"other=approve", b"\xff\xfe=%zz"])
async def test_an_invalid_decision_changes_nothing(shop: Shop, form: bytes) -> None:
    guest, cart, key = await cart_awaiting_customer(shop, "TEST", "action")

    assert (await decide(shop, key, form)).status_code == 400

    assert codes(await pay(guest, cart, "TEST", "action")) == ["PAYMENT_ACTION_REQUIRED"]
    await decide(shop, key, b"decision=refuse")


@pytest.mark.parametrize(
    "key", ["nothing", "%00", "a%0Ab", "00000000-0000-4000-8000-000000000000-0", "<b>", "x" * 2000]
)
async def test_an_unknown_charge_has_no_page(shop: Shop, key: str) -> None:
    assert (await open_page(shop, f"/payments/test/{key}")).status_code == 404
    assert (await decide(shop, key, b"decision=approve")).status_code == 404


def test_production_has_neither_sandbox_page_nor_gateway(hub: RunningHub) -> None:
    settings = hub.settings.model_copy(update={"env": Env.PRODUCTION})

    paths = {route.path for route in app.create(settings).routes}

    assert "/payments/test/{key:str}" not in paths
    assert not any(path.startswith("/payments/") for path in paths)


@pytest.mark.parametrize(
    "given",
    [
        {"stripe_secret_key": SecretStr("sk_live_1")},
        {"stripe_secret_key": SecretStr("sk_live_1"), "stripe_webhook_secret": SecretStr("")},
        {"stripe_api_base": "http://127.0.0.1:12111"},
    ],
)
def test_production_does_not_start_with_incomplete_stripe_settings(hub: RunningHub, given: dict[str, Any]) -> None:
    settings = hub.settings.model_copy(update={"env": Env.PRODUCTION, **given})

    with pytest.raises(UnsafeSettings, match="STRIPE"):
        settings.check()


def test_settings_never_show_a_key() -> None:
    settings = Settings(stripe_secret_key=SecretStr("sk_live_1"), stripe_webhook_secret=SecretStr("whsec_1"))

    assert "sk_live_1" not in f"{settings!r} {settings.model_dump_json()}"
    assert "whsec_1" not in f"{settings!r} {settings.model_dump_json()}"


def test_keys_reach_the_processes_that_need_them() -> None:
    handed_over = to_environment(Settings(stripe_secret_key=SecretStr("sk_test_1")))

    assert handed_over["URIBA_STRIPE_SECRET_KEY"] == "sk_test_1"
