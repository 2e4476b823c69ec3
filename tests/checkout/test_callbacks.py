"""What providers tell by themselves, over HTTP, and the page of the provider TEST."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fake_stripe import ACTION, FakeStripe, fake_stripe
from paying import buckets, charges, codes, orders, read
from pydantic import SecretStr
from stripe_hub import pay, signed, stripe_shop, tell, waiting

from conftest import RunningHub
from shop import Shop
from uriba import app, embedded, supervisor
from uriba.checkout.gateways.sandbox_gateway import SIGNATURE_HEADER
from uriba.config import Env, Settings, UnsafeSettings


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


async def heard(shop: Shop, key: str) -> int:
    async with shop.hub.database.reading() as session:
        return int(await session.fetchval("SELECT count(*) FROM provider_event WHERE charge = $1", key))


async def test_forged_events_are_refused_and_not_kept(at_stripe: Shop, fake: FakeStripe) -> None:
    _, cart, key = await waiting(at_stripe, "STRIPE", ACTION)
    fake.authenticate(key, approved=True)
    intent, kind = fake.of(key), "payment_intent.succeeded"
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

    answers = [await tell(at_stripe, *told) for told in forged]

    assert {a.status_code for a in answers} == {400}
    assert {a.json()["errors"][0]["message"] for a in answers} == {"This event is not signed by the payment provider."}
    assert (await heard(at_stripe, key), await orders(at_stripe, cart)) == (0, 0)


async def test_there_is_no_callback_of_a_provider_that_this_hub_has_not(shop: Shop) -> None:
    for provider in ("stripe", "cash", "nobody"):
        answer = await tell(shop, provider, {}, b"{}")
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (404, "NOT_FOUND")


async def test_an_event_has_a_size(shop: Shop) -> None:
    assert (await tell(shop, "test", {}, b" " * 256_001)).status_code == 413


async def test_genuine_events_of_nothing_that_waits_are_answered_too(at_stripe: Shop, fake: FakeStripe) -> None:
    told = await tell(at_stripe, "stripe", *fake.event("customer.created", {"id": "cus_1"}))
    key = f"{uuid4()}-0"
    unknown = await tell(at_stripe, "test", *signed(key, "CAPTURED"))

    assert (told.status_code, told.json()) == (200, {"new": False})
    assert (unknown.status_code, unknown.json(), await heard(at_stripe, key)) == (200, {"new": True}, 1)


async def test_the_same_event_many_times_at_once_is_heard_once(shop: Shop) -> None:
    guest, cart, key = await waiting(shop, "TEST", "action")
    await tell(shop, "test", {"content-type": "application/x-www-form-urlencoded"}, b"decision=approve", path=key)

    answers = await asyncio.gather(*(tell(shop, "test", *signed(key, "late")) for _ in range(8)))

    assert sorted(a.json()["new"] for a in answers) == [False] * 7 + [True]
    assert (await orders(shop, cart), (await read(guest, cart))["status"]) == (1, "ORDERED")


async def open_page(shop: Shop, path: str) -> httpx.Response:
    async with httpx.AsyncClient() as browser:
        return await browser.get(shop.hub.url.replace("/graphql", path))


async def decide(shop: Shop, key: str, form: bytes) -> httpx.Response:
    return await tell(shop, "test", {"content-type": "application/x-www-form-urlencoded"}, form, path=key)


async def test_the_page_shows_the_amount_and_two_buttons_and_runs_nothing(shop: Shop) -> None:
    guest, cart, key = await waiting(shop, "TEST", "action")
    action = (await pay(guest, cart, "TEST", "action"))["action"]

    page = await open_page(shop, action["url"])

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<h1>¥1,296</h1>" in page.text
    assert page.text.count("<button") == 2 and "<script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; form-action 'self'")
    await decide(shop, key, b"decision=refuse")


async def test_who_approves_has_the_order_without_asking_again(shop: Shop) -> None:
    guest, cart, key = await waiting(shop, "TEST", "action")

    answer = await decide(shop, key, b"decision=approve")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/payments/test/{key}")
    assert (await read(guest, cart))["status"] == "ORDERED"
    page = await open_page(shop, f"/payments/test/{key}")
    assert "was approved" in page.text and "<button" not in page.text
    await decide(shop, key, b"decision=refuse")
    assert await charges(shop, cart) == [("CAPTURED", 1296)], "who has decided has decided"


async def test_who_refuses_has_the_cart_back_at_once(shop: Shop) -> None:
    guest, cart, key = await waiting(shop, "TEST", "action")

    assert (await decide(shop, key, b"decision=refuse")).status_code == 303

    assert (await read(guest, cart))["status"] == "ACTIVE"
    assert "refused or cancelled" in (await open_page(shop, f"/payments/test/{key}")).text
    assert await buckets(shop, "TEA", "W1") == (5, 0, 0)


@pytest.mark.parametrize("form", [b"", b"decision=", b"decision=maybe", b"other=approve", b"\xff\xfe=%zz"])
async def test_no_decision_is_no_decision(shop: Shop, form: bytes) -> None:
    guest, cart, key = await waiting(shop, "TEST", "action")

    assert (await decide(shop, key, form)).status_code == 400

    assert codes(await pay(guest, cart, "TEST", "action")) == ["PAYMENT_ACTION_REQUIRED"]
    await decide(shop, key, b"decision=refuse")


@pytest.mark.parametrize(
    "key", ["nothing", "%00", "a%0Ab", "00000000-0000-4000-8000-000000000000-0", "<b>", "x" * 2000]
)
async def test_there_is_no_page_of_what_is_not_charged(shop: Shop, key: str) -> None:
    assert (await open_page(shop, f"/payments/test/{key}")).status_code == 404
    assert (await decide(shop, key, b"decision=approve")).status_code == 404


def test_production_has_neither_page_nor_provider(hub: RunningHub) -> None:
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
def test_production_does_not_start_on_half_of_stripe(hub: RunningHub, given: dict[str, Any]) -> None:
    settings = hub.settings.model_copy(update={"env": Env.PRODUCTION, **given})

    with pytest.raises(UnsafeSettings, match="STRIPE"):
        settings.check()


def test_settings_never_show_a_key() -> None:
    settings = Settings(stripe_secret_key=SecretStr("sk_live_1"), stripe_webhook_secret=SecretStr("whsec_1"))

    assert "sk_live_1" not in f"{settings!r} {settings.model_dump_json()}"
    assert "whsec_1" not in f"{settings!r} {settings.model_dump_json()}"


def test_keys_reach_the_processes_that_need_them() -> None:
    handed_over = supervisor.to_environment(Settings(stripe_secret_key=SecretStr("sk_test_1")))

    assert handed_over["URIBA_STRIPE_SECRET_KEY"] == "sk_test_1"
