"""Checkout, refunds and cancellation with gift cards and points: payments and ledgers agree."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.support.client import Client
from tests.support.shop import ADDRESS, CART, CHECKOUT, ERRORS, Shop
from tests.support.stored_value import (
    balance,
    card_ledger,
    code,
    create_customer,
    issue_card,
    points_account,
    points_ledger,
    set_points_terms,
)
from uriba.checkout.gateways.sandbox_gateway import SandboxGateway
from uriba.core import ids
from uriba.stored_value import codes
from uriba.worker import sweeps

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

STATE = """
    id number status paymentStatus total { amount } refunded { amount } lines { id sku quantity }
    payments { method status amount { amount } captured { amount } refunded { amount } reference }
    refunds { method status amount { amount } }
"""


async def shipped(shop: Shop, client: Client, **units: int) -> dict[str, Any]:
    """Return a cart with an address whose lines all ship."""
    payload = await shop.set_fulfillment(client, await shop.create_cart(client, **units), "SHIP", address=ADDRESS)
    assert not payload["errors"], payload
    return payload["cart"]  # type: ignore[no-any-return]


async def check_out(
    client: Client, cart: dict[str, Any], *tenders: tuple[str, int, str | None], key: str | None = None
) -> dict[str, Any]:
    """Check out with these (method, yen, token); return the payload."""
    payments = [
        {"method": method, "amount": {"amount": str(yen), "currency": "JPY"}, "token": token}
        for method, yen, token in tenders
    ]
    return await client.mutate(
        CHECKOUT, input={"cartId": cart["id"], "idempotencyKey": key or uuid4().hex, "payments": payments}
    )


async def state(shop: Shop, order: dict[str, Any]) -> dict[str, Any]:
    data = await shop.staff.execute(f"query ($id: ID!) {{ order(id: $id) {{ {STATE} }} }}", id=order["id"])
    return data["order"]  # type: ignore[no-any-return]


async def cart_now(client: Client, cart: dict[str, Any]) -> dict[str, Any]:
    data = await client.execute(f"query ($c: ID!) {{ cart(id: $c) {{ {CART} }} }}", c=cart["id"])
    return data["cart"]  # type: ignore[no-any-return]


async def return_units(client: Client, order: dict[str, Any], sku: str, units: int) -> dict[str, Any]:
    (line,) = [one for one in order["lines"] if one["sku"] == sku]
    payload = await client.mutate(
        f"mutation ($i: OrderReturnInput!) {{ orderReturn(input: $i) {{ orderReturn {{ id }} {ERRORS} }} }}",
        i={
            "orderId": order["id"],
            "lines": [{"orderLineId": line["id"], "quantity": units}],
            "idempotencyKey": uuid4().hex,
        },
    )
    assert not payload["errors"], payload
    return payload


async def cancel(shop: Shop, order: dict[str, Any]) -> None:
    payload = await shop.staff.mutate(
        f"mutation ($o: ID!) {{ orderCancel(orderId: $o) {{ order {{ status }} {ERRORS} }} }}", o=order["id"]
    )
    assert not payload["errors"], payload


def error_paths(payload: dict[str, Any]) -> list[tuple[str, list[str] | None]]:
    return [(error["code"], error["path"]) for error in payload["errors"]]


def paid(order: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(p["method"], p["amount"]["amount"], p["refunded"]["amount"]) for p in order["payments"]]


async def test_a_gift_card_and_a_credit_card_pay_one_order(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest, issued = shop.guest("app"), await issue_card(shop, "1000")
    cart = await shipped(shop, guest, TEA=2)

    payload = await check_out(guest, cart, ("GIFT_CARD", 1000, code(issued)), ("TEST", 296, "ok"))
    order = await state(shop, payload["order"])

    assert payload["errors"] == []
    assert order["paymentStatus"] == "PAID"
    assert paid(order) == [("GIFT_CARD", "1000", "0"), ("TEST", "296", "0")]
    assert order["payments"][0]["reference"] == f"****{codes.last4(code(issued))} {issued.id}"
    assert await card_ledger(shop, issued) == [("ISSUE", 1000), ("REDEEM", -1000)]


async def test_a_gift_card_alone_needs_no_payment_provider(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest, issued = shop.guest("app"), await issue_card(shop, "2000")
    cart = await shipped(shop, guest, TEA=2)

    payload = await check_out(guest, cart, ("GIFT_CARD", 1296, code(issued)))

    assert payload["errors"] == []
    assert payload["order"]["paymentStatus"] == "PAID"
    assert await balance(shop, issued) == 704


async def test_a_terminal_takes_cash_and_a_gift_card(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    till, issued = await shop.terminal(), await issue_card(shop, "500")
    cart = await shop.create_cart(till, TEA=1)

    payload = await check_out(till, cart, ("CASH", 148, None), ("GIFT_CARD", 500, code(issued)))

    assert payload["errors"] == []
    assert (payload["order"]["status"], payload["order"]["paymentStatus"]) == ("COMPLETED", "PAID")
    assert await balance(shop, issued) == 0


async def test_a_repeated_checkout_debits_the_gift_card_once(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest, issued, key = shop.guest("app"), await issue_card(shop, "5000"), uuid4().hex
    cart = await shipped(shop, guest, TEA=2)
    tenders = (("GIFT_CARD", 1000, code(issued)), ("TEST", 296, "ok"))

    payloads = await asyncio.gather(*(check_out(guest, cart, *tenders, key=key) for _ in range(4)))

    assert len({payload["order"]["number"] for payload in payloads}) == 1
    assert await balance(shop, issued) == 4000


async def test_the_code_of_a_gift_card_is_stored_nowhere(shop: Shop, hub: RunningHub) -> None:
    await shop.receive(TEA_W1=5)
    guest, issued = shop.guest("app"), await issue_card(shop, "1000")
    cart = await shipped(shop, guest, TEA=2)
    await check_out(guest, cart, ("GIFT_CARD", 1000, code(issued)), ("TEST", 296, "timeout"))

    async with hub.database.reading() as session:
        tables = await session.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200")
        found = [
            row["relname"]
            for row in tables
            if await session.fetchval(
                f"SELECT true FROM {row['relname']} t WHERE t::text LIKE '%' || $1 || '%' LIMIT 1", code(issued)
            )
        ]

    assert found == []
    await _end(shop, cart)


async def _end(shop: Shop, cart: dict[str, Any]) -> None:
    """Make the cart's payment attempt due for the sweep."""
    async with shop.hub.database.transaction() as session:
        await session.run(
            "UPDATE checkout_attempt SET next_at = now() WHERE cart_id = $1", ids.uuid(cart["id"], "Cart")
        )
    await sweeps.finish_checkouts(shop.hub.work)


@pytest.mark.parametrize("token", ["declined", "timeout"])
async def test_a_declined_payment_credits_the_gift_card(shop: Shop, token: str) -> None:
    await shop.receive(TEA_W1=5)
    guest, issued = shop.guest("app"), await issue_card(shop, "1000")
    cart = await shipped(shop, guest, TEA=2)

    refused = await check_out(guest, cart, ("GIFT_CARD", 1000, code(issued)), ("TEST", 296, token))
    await _end(shop, cart)

    assert refused["errors"]
    assert await card_ledger(shop, issued) == [("ISSUE", 1000), ("REDEEM", -1000), ("GIVE_BACK", 1000)]
    assert (await cart_now(guest, cart))["status"] == "ACTIVE"

    again = await check_out(guest, cart, ("GIFT_CARD", 1000, code(issued)), ("TEST", 296, "ok"))
    assert again["errors"] == []
    assert await balance(shop, issued) == 0


async def test_an_unknown_outcome_keeps_the_debit_of_the_gift_card(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest, issued = shop.guest("app"), await issue_card(shop, "1000")
    cart = await shipped(shop, guest, TEA=2)

    await check_out(guest, cart, ("GIFT_CARD", 1000, code(issued)), ("TEST", 296, "lost"))
    await _end(shop, cart)

    assert (await cart_now(guest, cart))["status"] == "ORDERED"
    assert await card_ledger(shop, issued) == [("ISSUE", 1000), ("REDEEM", -1000)]


async def test_a_refused_second_step_credits_the_gift_card(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest, issued = shop.guest("app"), await issue_card(shop, "1000")
    cart, key = await shipped(shop, guest, TEA=2), uuid4().hex
    tenders = (("TEST", 296, "action"), ("GIFT_CARD", 1000, code(issued)))
    assert error_paths(await check_out(guest, cart, *tenders, key=key)) == [("PAYMENT_ACTION_REQUIRED", ["payments"])]
    assert await balance(shop, issued) == 0, "taken while the customer decides"

    provider = shop.hub.work.checkout.gateways["TEST"]
    assert isinstance(provider, SandboxGateway)
    async with shop.hub.database.reading() as session:
        attempt = await session.fetchval(
            "SELECT id FROM checkout_attempt WHERE cart_id = $1", ids.uuid(cart["id"], "Cart")
        )
    await provider.decide(key=f"{attempt}-0", approved=False)

    assert error_paths(await check_out(guest, cart, *tenders, key=key)) == [("PAYMENT_DECLINED", ["payments"])]
    assert await balance(shop, issued) == 1000


async def test_a_low_balance_changes_nothing(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest, issued = shop.guest("app"), await issue_card(shop, "1000")
    cart = await shipped(shop, guest, TEA=2)

    short = await check_out(guest, cart, ("TEST", 295, "ok"), ("GIFT_CARD", 1001, code(issued)))
    unknown = await check_out(guest, cart, ("GIFT_CARD", 1296, codes.generate()))
    twice = await check_out(guest, cart, ("GIFT_CARD", 648, code(issued)), ("GIFT_CARD", 648, code(issued)))

    assert error_paths(short) == [("PAYMENT_DECLINED", ["payments", "1", "token"])]
    assert "¥1,000" in short["errors"][0]["message"]
    assert error_paths(unknown) == [("PAYMENT_DECLINED", ["payments", "0", "token"])]
    assert [code for code, _ in error_paths(twice)] == ["PAYMENT_DECLINED"] * 2
    assert await card_ledger(shop, issued) == [("ISSUE", 1000)]
    assert (await cart_now(guest, cart))["status"] == "ACTIVE"
    level = await shop.stock_level("TEA", "W1")
    assert (level["onHand"], level["committed"], level["reserved"]) == (5, 0, 0)


async def test_a_gift_card_at_two_concurrent_checkouts_pays_one(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, TEA_S2=5)
    issued = await issue_card(shop, "1000")
    tills = [await shop.terminal(place) for place in ("S1", "S2")]
    carts = [await shop.create_cart(till, TEA=1) for till in tills]

    payloads = await asyncio.gather(
        *(check_out(till, cart, ("GIFT_CARD", 648, code(issued))) for till, cart in zip(tills, carts, strict=True))
    )

    assert sorted(len(payload["errors"]) for payload in payloads) == [0, 1]
    (refused,) = [payload for payload in payloads if payload["errors"]]
    assert error_paths(refused) == [("PAYMENT_DECLINED", ["payments", "0", "token"])]
    assert await balance(shop, issued) == 352


async def test_a_return_refunds_to_the_gift_card(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    till, issued = await shop.terminal(), await issue_card(shop, "1000")
    cart = await shop.create_cart(till, TEA=2)
    paid_order = (await check_out(till, cart, ("CASH", 296, None), ("GIFT_CARD", 1000, code(issued))))["order"]

    await return_units(till, paid_order, shop.sku("TEA"), 1)
    half = await state(shop, paid_order)
    await return_units(till, paid_order, shop.sku("TEA"), 1)
    whole = await state(shop, paid_order)

    assert paid(half) == [("CASH", "296", "0"), ("GIFT_CARD", "1000", "648")]
    assert paid(whole) == [("CASH", "296", "296"), ("GIFT_CARD", "1000", "1000")]
    assert await card_ledger(shop, issued) == [("ISSUE", 1000), ("REDEEM", -1000), ("REFUND", 648), ("REFUND", 352)]


async def test_a_cancellation_refunds_gift_card_and_points(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    hana, channel = await shop.customer(), await set_points_terms(shop, per_unit="0.1", value=2)
    customer_id, issued = await create_customer(shop, with_points=200), await issue_card(shop, "500")
    cart = await shipped(shop, hana, TEA=2)
    tenders = (("POINTS", 396, None), ("GIFT_CARD", 500, code(issued)), ("TEST", 400, "ok"))

    order = (await check_out(hana, cart, *tenders))["order"]
    earned = await points_account(shop, customer_id)
    await cancel(shop, order)

    assert channel
    assert earned == (200 - 198 + 40, 0)
    assert await points_account(shop, customer_id) == (200, 0)
    assert await points_ledger(shop, customer_id) == [
        ("ADJUST", 200),
        ("REDEEM", -198),
        ("EARN", 40),
        ("REFUND", 198),
        ("REVERSE", -40),
    ]
    assert await balance(shop, issued) == 500


async def test_points_pay_in_every_channel_and_are_visible_there(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    await set_points_terms(shop, per_unit="0.01", value=1)
    hana, customer_id = await shop.customer(), await create_customer(shop, with_points=1000)
    cart = await shipped(shop, hana, TEA=2)

    payload = await check_out(hana, cart, ("POINTS", 1000, None), ("TEST", 296, "ok"))
    me = (await hana.execute("{ me { points pointsEntries { edges { node { kind points order { number } } } } } }"))[
        "me"
    ]

    assert payload["errors"] == []
    assert me["points"] == 2
    assert [(e["node"]["kind"], e["node"]["points"]) for e in me["pointsEntries"]["edges"]] == [
        ("EARN", 2),
        ("REDEEM", -1000),
        ("ADJUST", 1000),
    ]
    assert me["pointsEntries"]["edges"][0]["node"]["order"]["number"] == payload["order"]["number"]
    assert await points_account(shop, customer_id) == (2, 0)


async def test_refuses_points_of_a_low_balance_or_without_a_customer(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    await set_points_terms(shop, value=5)
    hana, guest = await shop.customer(), shop.guest("app")
    customer_id = await create_customer(shop, with_points=10)
    mine, nobodys = await shipped(shop, hana, TEA=2), await shipped(shop, guest, TEA=2)

    short = await check_out(hana, mine, ("POINTS", 55, None), ("TEST", 1241, "ok"))
    broken = await check_out(hana, mine, ("POINTS", 12, None), ("TEST", 1284, "ok"))
    guests = await check_out(guest, nobodys, ("POINTS", 50, None), ("TEST", 1246, "ok"))

    assert error_paths(short) == [("PAYMENT_DECLINED", ["payments", "0", "amount"])]
    assert error_paths(broken) == [("INVALID", ["payments", "0", "amount", "amount"])]
    assert error_paths(guests) == [("INVALID", ["payments", "0", "method"])]
    assert await points_account(shop, customer_id) == (10, 0)
    assert (await cart_now(hana, mine))["status"] == "ACTIVE"


async def test_a_return_reverses_the_points_that_it_earned(shop: Shop) -> None:
    await shop.receive(TEA_W1=5, TEA_S1=1)
    await set_points_terms(shop, per_unit="0.1")
    hana, customer_id = await shop.customer(), await create_customer(shop)
    till = await shop.terminal()
    order = (await check_out(hana, await shipped(shop, hana, TEA=2), ("TEST", 1296, "ok")))["order"]
    before = await points_account(shop, customer_id)
    await _ship(shop, order)

    await return_units(till, order, shop.sku("TEA"), 1)

    assert before == (129, 0)
    assert await points_account(shop, customer_id) == (64, 0)
    assert await points_ledger(shop, customer_id) == [("EARN", 129), ("REVERSE", -65)]


async def _ship(shop: Shop, order: dict[str, Any]) -> None:
    data = await shop.staff.execute(
        "query ($id: ID!) { order(id: $id) { fulfillments { id } } }",
        id=order["id"],
    )
    for part in data["order"]["fulfillments"]:
        for status in ("PICKED", "SHIPPED"):
            payload = await shop.staff.mutate(
                f"""mutation ($f: ID!, $s: FulfillmentStatus!) {{
                    fulfillmentUpdate(fulfillmentId: $f, status: $s) {{ fulfillment {{ id }} {ERRORS} }} }}""",
                f=part["id"],
                s=status,
            )
            assert not payload["errors"], payload


async def test_limits_wrong_codes_of_guests_at_checkout(shop: Shop, hub: RunningHub) -> None:
    await shop.receive(TEA_S1=5)
    till, issued = await shop.terminal(), await issue_card(shop, "1000")
    cart = await shop.create_cart(till, TEA=1)

    guesses = [
        error_paths(await check_out(till, cart, ("GIFT_CARD", 648, codes.generate())))
        for _ in range(hub.settings.handoff_guesses_max)
    ]
    stopped = await check_out(till, cart, ("GIFT_CARD", 648, code(issued)))

    assert guesses == [[("PAYMENT_DECLINED", ["payments", "0", "token"])]] * hub.settings.handoff_guesses_max
    assert [error["code"] for error in stopped["errors"]] == ["LIMIT_EXCEEDED"]
    assert await balance(shop, issued) == 1000


EXCHANGE = f"""mutation ($i: OrderExchangeInput!) {{ orderExchange(input: $i) {{
    exchange {{ payments {{ method amount {{ amount }} }} }} {ERRORS} }} }}"""


async def swap(
    till: Client, order: dict[str, Any], cart: dict[str, Any], *tenders: tuple[str, int, str | None]
) -> dict[str, Any]:
    """Exchange one unit of the order's only line; return the payload."""
    payments = [
        {"method": method, "amount": {"amount": str(yen), "currency": "JPY"}, "token": token}
        for method, yen, token in tenders
    ]
    lines = [{"orderLineId": order["lines"][0]["id"], "quantity": 1}]
    given = {"orderId": order["id"], "cartId": cart["id"], "lines": lines, "payments": payments}
    return await till.mutate(EXCHANGE, i=given | {"idempotencyKey": uuid4().hex})


async def test_a_gift_card_pays_the_difference_of_an_exchange(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, POT_S1=1)
    till, issued = await shop.terminal(), await issue_card(shop, "5000")
    order = (await check_out(till, await shop.create_cart(till, TEA=1), ("GIFT_CARD", 648, code(issued))))["order"]

    done = await swap(till, order, await shop.create_cart(till, POT=1), ("GIFT_CARD", 2652, code(issued)))

    assert done["errors"] == []
    assert [(p["method"], p["amount"]["amount"]) for p in done["exchange"]["payments"]] == [
        ("EXCHANGE", "648"),
        ("GIFT_CARD", "2652"),
    ]
    assert await card_ledger(shop, issued) == [("ISSUE", 5000), ("REDEEM", -648), ("REDEEM", -2652)]


async def test_an_exchange_refunds_the_rest_to_the_gift_card(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_S1=1)
    till, issued = await shop.terminal(), await issue_card(shop, "5000")
    order = (await check_out(till, await shop.create_cart(till, POT=1), ("GIFT_CARD", 3300, code(issued))))["order"]

    done = await swap(till, order, await shop.create_cart(till, TEA=1))

    assert done["errors"] == []
    assert await card_ledger(shop, issued) == [("ISSUE", 5000), ("REDEEM", -3300), ("REFUND", 2652)]


async def test_capture_at_shipment_debits_the_gift_card_at_checkout(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE channel SET capture = 'AT_SHIPMENT' WHERE code = $1", shop.code("app"))
    guest, issued = shop.guest("app"), await issue_card(shop, "1000")
    cart = await shipped(shop, guest, TEA=2)

    order = (await check_out(guest, cart, ("GIFT_CARD", 1000, code(issued)), ("TEST", 296, "ok")))["order"]
    agreed = await state(shop, order)
    await _ship(shop, order)
    gone = await state(shop, order)

    assert [(p["status"], p["captured"]["amount"]) for p in agreed["payments"]] == [
        ("PAID", "1000"),
        ("AUTHORIZED", "0"),
    ]
    assert [(p["status"], p["captured"]["amount"]) for p in gone["payments"]] == [("PAID", "1000"), ("PAID", "296")]


async def test_a_cancellation_before_capture_refunds_the_gift_card(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE channel SET capture = 'AT_SHIPMENT' WHERE code = $1", shop.code("app"))
    guest, issued = shop.guest("app"), await issue_card(shop, "1000")
    cart = await shipped(shop, guest, TEA=2)
    order = (await check_out(guest, cart, ("TEST", 296, "ok"), ("GIFT_CARD", 1000, code(issued))))["order"]

    await cancel(shop, order)
    ended = await state(shop, order)

    assert {p["method"]: p["status"] for p in ended["payments"]} == {"TEST": "VOIDED", "GIFT_CARD": "REFUNDED"}
    assert await balance(shop, issued) == 1000


async def test_concurrent_payments_and_refunds_of_the_same_gift_cards(shop: Shop) -> None:
    await shop.receive(TEA_W1=50, TEA_S1=50)
    cards = [await issue_card(shop, "5000") for _ in range(2)]
    tills = [await shop.terminal() for _ in range(10)]
    tenders = [("GIFT_CARD", 324, code(one)) for one in cards]
    guests = [shop.guest("app") for _ in range(10)]
    orders = [(await check_out(guest, await shipped(shop, guest, TEA=1), *tenders))["order"] for guest in guests[:5]]
    carts = [await shop.create_cart(till, TEA=1) for till in tills]

    done = await asyncio.gather(
        *(cancel(shop, order) for order in orders),
        *(check_out(till, cart, *tenders) for till, cart in zip(tills, carts, strict=True)),
    )

    assert [payload["errors"] for payload in done if payload] == [[]] * 10
    assert [await balance(shop, one) for one in cards] == [5000 - 10 * 324] * 2
