"""The Stripe gateway, with Stripe's official library over HTTP against a fake account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.fake_stripe import ACTION, DECLINED, OK, SECRET_KEY, WEBHOOK_SECRET, FakeStripe, fake_stripe
from uriba.checkout.gateways import ChargeState, Declined, GatewayUnreachable
from uriba.checkout.gateways.stripe_gateway import StripeGateway
from uriba.core import clock
from uriba.core.ids import new_id

TIMEOUT_S = 15.0
SHORT_TIMEOUT_S = 0.5
"""Where the test waits for it."""


@pytest.fixture
async def fake() -> AsyncIterator[FakeStripe]:
    async with fake_stripe() as account:
        yield account


def provider(fake: FakeStripe, timeout_s: float = TIMEOUT_S, **given: str) -> StripeGateway:
    chosen = {"secret_key": SECRET_KEY, "webhook_secret": WEBHOOK_SECRET} | given
    return StripeGateway(timeout_s=timeout_s, api_base=fake.url, **chosen)


@pytest.fixture
async def gateway(fake: FakeStripe) -> AsyncIterator[StripeGateway]:
    opened = provider(fake)
    yield opened
    await opened.close()


@pytest.fixture
def key() -> str:
    return f"{new_id()}-0"


EUR = {"amount_minor": 1999, "currency": "EUR"}


async def charge(gateway: StripeGateway, key: str, token: str = OK, *, capture: bool = True):  # type: ignore[no-untyped-def]
    return await gateway.charge(key=key, token=token, capture=capture, amount_minor=1999, currency="EUR")


async def test_a_card_is_charged_once_under_the_keys_of_the_hub(
    fake: FakeStripe, gateway: StripeGateway, key: str
) -> None:
    taken = await charge(gateway, key)

    intent = fake.intent_of(key)
    assert (taken.state, taken.reference, taken.action) == (ChargeState.CAPTURED, intent["id"], None)
    assert taken.event == f"{intent['id']}:succeeded"
    assert (intent["amount_received"], intent["currency"]) == (1999, "eur")
    assert [(r.step, r.key) for r in fake.seen] == [("create", key), ("confirm", f"{key}:confirm")]
    assert await charge(gateway, key) == taken, "called again"
    assert await gateway.find(key=key, **EUR) == taken
    assert await gateway.find(key=key, reference=taken.reference) == taken
    assert len(fake.intents) == 1


async def test_a_declined_card_has_stripes_message_and_is_not_retried(
    fake: FakeStripe, gateway: StripeGateway, key: str
) -> None:
    for _ in range(2):
        with pytest.raises(Declined, match=r"^Your card was declined\.$"):
            await charge(gateway, key, DECLINED)

    assert fake.steps().count("confirm") == 1
    assert await gateway.find(key=key, **EUR) is None
    await gateway.void(key=key, **EUR)
    assert fake.intent_of(key)["status"] == "canceled"


@pytest.mark.parametrize("approved", [True, False])
async def test_a_confirmed_second_step_is_found(
    fake: FakeStripe, gateway: StripeGateway, key: str, approved: bool
) -> None:
    waiting = await charge(gateway, key, ACTION)
    assert waiting.state is ChargeState.ACTION
    assert waiting.action == {"clientSecret": fake.intent_of(key)["client_secret"]}
    assert await gateway.find(key=key, **EUR) == waiting

    fake.authenticate(key, approved=approved)

    found = await gateway.find(key=key, **EUR)
    assert (found and found.state) == (ChargeState.CAPTURED if approved else None)
    if approved:
        assert (await charge(gateway, key, ACTION)).state is ChargeState.CAPTURED
    else:
        with pytest.raises(Declined, match="unable to authenticate"):
            await charge(gateway, key, ACTION)
    assert fake.steps().count("confirm") == 1


async def test_the_banks_page_is_returned_where_a_return_url_is_set(fake: FakeStripe, key: str) -> None:
    gateway = provider(fake, return_url="https://shop.example/paid")

    waiting = await charge(gateway, key, ACTION)

    assert waiting.action is not None
    assert waiting.action["url"] == f"https://bank.example/{waiting.reference}"
    await gateway.close()


@pytest.mark.parametrize("step", ["create", "confirm"])
@pytest.mark.parametrize("fault", ["lose", "drop", "hang", "busy"])
async def test_a_lost_answer_never_charges_twice(
    fake: FakeStripe, gateway: StripeGateway, key: str, step: str, fault: str
) -> None:
    fake.faults.append((step, fault))
    impatient = provider(fake, SHORT_TIMEOUT_S if fault == "hang" else TIMEOUT_S)
    with pytest.raises(GatewayUnreachable):
        await charge(impatient, key)
    await impatient.close()
    assert fake.steps().count(step) == 1, "the library repeats nothing by itself"

    found = await gateway.find(key=key, **EUR)
    taken = await charge(gateway, key)

    assert found == (taken if step == "confirm" and fault in ("lose", "hang") else None), "looking charges nobody"
    assert taken.state is ChargeState.CAPTURED
    assert [i["amount_received"] for i in fake.intents.values()] == [1999]


@pytest.mark.parametrize("step", ["create", "confirm"])
async def test_a_server_error_that_stripe_repeats_ends_the_charge(
    fake: FakeStripe, gateway: StripeGateway, key: str, step: str
) -> None:
    fake.faults.append((step, "fault"))
    with pytest.raises(GatewayUnreachable):
        await charge(gateway, key)

    assert await gateway.find(key=key, **EUR) is None
    await gateway.void(key=key, **EUR)

    assert [i["status"] for i in fake.intents.values()] == (["canceled"] if step == "confirm" else [])
    with pytest.raises(Declined):
        await charge(gateway, key)


async def test_a_charge_in_flight_charges_nothing_after_its_void(
    fake: FakeStripe, gateway: StripeGateway, key: str
) -> None:
    fake.faults.append(("create", "lose"))
    with pytest.raises(GatewayUnreachable):
        await charge(gateway, key)

    await gateway.void(key=key, **EUR)
    with pytest.raises(Declined, match="canceled"):
        await charge(gateway, key)

    assert [(i["status"], i["amount_received"]) for i in fake.intents.values()] == [("canceled", 0)]


@pytest.mark.parametrize("known_by", ["reference", "amount", "search"])
@pytest.mark.parametrize("state", ["nothing", "declined", "waiting", "authorized", "captured", "refunded", "voided"])
async def test_void_of_every_state(
    fake: FakeStripe, gateway: StripeGateway, key: str, state: str, known_by: str
) -> None:
    if state == "declined":
        with pytest.raises(Declined):
            await charge(gateway, key, DECLINED)
    elif state != "nothing":
        await charge(gateway, key, ACTION if state == "waiting" else OK, capture=state != "authorized")
    if state == "refunded":
        await gateway.refund(key=key, operation="part", amount_minor=999, currency="EUR")
    if state == "voided":
        await gateway.void(key=key)
    if known_by != "amount" and state == "nothing":
        pytest.skip("what never was has no reference, and is found by no search")
    known = {
        "reference": {"reference": fake.intent_of(key)["id"] if fake.intents else None},
        "amount": EUR,
        "search": {},
    }

    for _ in range(2):
        await gateway.void(key=key, **known[known_by])  # type: ignore[arg-type]

    assert await gateway.find(key=key, **EUR) is None
    for intent in fake.intents.values():
        left = intent["amount_received"] - (intent["latest_charge"] or {}).get("amount_refunded", 0)
        assert left == 0 and intent["status"] in ("canceled", "succeeded")
    with pytest.raises(Declined):
        await charge(gateway, key)


async def test_a_charge_paid_during_its_void_is_refunded(
    fake: FakeStripe, gateway: StripeGateway, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await charge(gateway, key, ACTION)
    cancel = fake._cancel

    def too_late(*given):  # type: ignore[no-untyped-def]
        fake.authenticate(key, approved=True)
        monkeypatch.setattr(fake, "_cancel", cancel)
        return cancel(*given)

    monkeypatch.setattr(fake, "_cancel", too_late)

    await gateway.void(key=key, **EUR)

    assert fake.intent_of(key)["latest_charge"]["refunded"] is True


async def test_an_authorized_charge_is_captured_once_and_in_part_if_requested(
    fake: FakeStripe, gateway: StripeGateway, key: str
) -> None:
    held = await charge(gateway, key, capture=False)
    assert (held.state, held.event) == (ChargeState.AUTHORIZED, f"{held.reference}:requires_capture")
    taking = {"key": key, "operation": str(new_id()), "amount_minor": 1500, "currency": "EUR"}
    fake.faults.append(("capture", "lose"))
    with pytest.raises(GatewayUnreachable):
        await gateway.capture(**taking, reference=held.reference)

    assert await gateway.capture(**taking, reference=held.reference) == held.reference
    fake.forget_keys()
    assert await gateway.capture(**taking) == held.reference, "a day later, without its reference"

    assert fake.intent_of(key)["amount_received"] == 1500
    with pytest.raises(Declined, match="could not be captured"):
        await gateway.capture(**taking | {"operation": str(new_id()), "amount_minor": 100})


async def test_a_refund_with_the_same_operation_is_one_refund_today_and_tomorrow(
    fake: FakeStripe, gateway: StripeGateway, key: str
) -> None:
    taken = await charge(gateway, key)
    giving = {"key": key, "operation": str(new_id()), "amount_minor": 500, "currency": "EUR"}
    fake.faults.append(("refund", "lose"))
    with pytest.raises(GatewayUnreachable):
        await gateway.refund(**giving, reference=taken.reference)

    first = await gateway.refund(**giving, reference=taken.reference)
    fake.forget_keys()
    assert await gateway.refund(**giving) == first, "a day later, without its reference"
    second = await gateway.refund(**giving | {"operation": str(new_id())})

    assert first != second
    assert [r["amount"] for r in fake.refunds.values()] == [500, 500]
    with pytest.raises(Declined, match="greater than unrefunded"):
        await gateway.refund(**giving | {"operation": str(new_id()), "amount_minor": 1000})


async def test_refunds_of_a_currency_with_three_decimals_add_up_to_what_was_charged(
    fake: FakeStripe, gateway: StripeGateway, key: str
) -> None:
    await gateway.charge(key=key, amount_minor=5125, currency="KWD", token=OK, capture=True)

    for part in (1708, 1708, 1709):
        await gateway.refund(key=key, operation=str(new_id()), amount_minor=part, currency="KWD")

    assert fake.intent_of(key)["amount_received"] == 5130
    assert [r["amount"] % 10 for r in fake.refunds.values()] == [0, 0, 0]
    assert fake.intent_of(key)["latest_charge"]["refunded"] is True


async def test_a_refund_that_failed_is_declined(fake: FakeStripe, gateway: StripeGateway, key: str) -> None:
    await charge(gateway, key)
    giving = {"key": key, "operation": str(new_id()), "amount_minor": 500, "currency": "EUR"}
    refund = fake.refunds[await gateway.refund(**giving)]
    refund["status"] = "failed"

    with pytest.raises(Declined, match="could not refund the money: the refund is failed"):
        await gateway.refund(**giving)


async def test_a_charge_of_another_day_is_found_by_the_hubs_key(
    fake: FakeStripe, gateway: StripeGateway, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.faults.append(("confirm", "lose"))
    with pytest.raises(GatewayUnreachable):
        await charge(gateway, key)
    fake.forget_keys()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: tomorrow)

    found = await gateway.find(key=key, **EUR)

    assert found is not None and found.state is ChargeState.CAPTURED
    assert len(fake.intents) == 1, "a new day begins no new intent"
    await gateway.void(key=key, **EUR)
    assert fake.intent_of(key)["latest_charge"]["refunded"] is True


async def test_an_intent_created_with_other_parameters_is_found_by_search(
    fake: FakeStripe, gateway: StripeGateway, key: str
) -> None:
    taken = await charge(gateway, key)

    assert await gateway.find(key=key, amount_minor=5, currency="EUR") == taken
    fake.search_is_late = True
    with pytest.raises(GatewayUnreachable):
        await gateway.find(key=key, amount_minor=5, currency="EUR")


@pytest.mark.parametrize(
    ("amount_minor", "token", "why"),
    [(49, OK, "does not accept this payment"), (1999, "pm_unknown", "cannot be used here")],
)
async def test_payments_that_stripe_rejects_are_declined(
    fake: FakeStripe, gateway: StripeGateway, key: str, amount_minor: int, token: str, why: str
) -> None:
    with pytest.raises(Declined, match=why):
        await gateway.charge(key=key, amount_minor=amount_minor, currency="EUR", token=token, capture=True)

    assert await gateway.find(key=key, amount_minor=amount_minor, currency="EUR") is None
    await gateway.void(key=key, amount_minor=amount_minor, currency="EUR")


async def test_the_error_of_a_wrong_secret_key_does_not_contain_the_key(fake: FakeStripe, key: str) -> None:
    gateway = provider(fake, secret_key="sk_test_wrong_and_secret")

    with pytest.raises(GatewayUnreachable) as refused:
        await charge(gateway, key)

    assert "AuthenticationError 401" in str(refused.value)
    assert "secret" not in str(refused.value)
    await gateway.close()


async def test_concurrent_calls_with_one_key_charge_once(fake: FakeStripe, gateway: StripeGateway, key: str) -> None:
    answers = await asyncio.gather(*(charge(gateway, key) for _ in range(10)))

    assert {answer.reference for answer in answers} == {fake.intent_of(key)["id"]}
    assert fake.intent_of(key)["amount_received"] == 1999
