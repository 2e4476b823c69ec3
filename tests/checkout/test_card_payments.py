"""Checkouts with a payment provider: two transactions around its call, and every token of the sandbox."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.checkout_calls import (
    attempts,
    card,
    cart_to_pick_up,
    cart_to_ship,
    cash,
    charges,
    codes,
    codes_and_paths,
    fulfilled_units,
    make_due,
    order_count,
    pay,
    read,
    stock_quantities,
    wait_for_attempt,
)
from tests.support.shop import CART, Shop
from uriba.worker import sweeps


@pytest.mark.parametrize("caller", ["guest", "customer", "app"])
async def test_a_card_is_charged_once_and_the_order_is_paid(shop: Shop, caller: str) -> None:
    await shop.receive(TEA_W1=5)
    client = {"guest": shop.guest("app"), "customer": await shop.customer(), "app": await shop.app("app")}[caller]
    cart = await cart_to_ship(shop, client, TEA=2)

    payload = await shop.check_out(client, cart)

    order = payload["order"]
    assert (payload["errors"], order["status"], order["paymentStatus"]) == ([], "OPEN", "PAID")
    assert [(p["method"], p["status"], p["amount"]["amount"]) for p in order["payments"]] == [("TEST", "PAID", "1296")]
    assert await charges(shop, cart) == [("CAPTURED", 1296)]
    assert await stock_quantities(shop, "TEA", "W1") == (5, 2, 0)
    assert (await read(client, cart))["order"]["number"] == order["number"]


async def test_the_payment_carries_the_providers_reference(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=1)

    order = (await shop.check_out(guest, cart))["order"]

    (attempt,) = await attempts(shop, cart)
    assert order["payments"][0]["reference"] == f"test_{attempt['id']}-0"


async def test_the_ledger_has_the_hold_and_the_commitment(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")

    await shop.check_out(guest, await cart_to_ship(shop, guest, TEA=2))

    level = await shop.stock_level("TEA", "W1")
    moved = [edge["node"] for edge in level["movements"]["edges"]]
    assert [(m["reason"], m["onHandDelta"], m["committedDelta"], m["reservedDelta"]) for m in moved] == [
        ("COMMIT", 0, 2, -2),
        ("RESERVE", 0, 0, 2),
        ("RECEIPT", 5, 0, 0),
    ]


async def test_a_declined_card_reopens_the_cart_and_releases_the_stock(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)

    payload = await shop.check_out(guest, cart, token="declined")

    assert (payload["order"], codes_and_paths(payload)) == (None, [("PAYMENT_DECLINED", ["payments"])])
    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 0)
    after = await read(guest, cart)
    assert (after["status"], after["lines"], after["order"]) == ("ACTIVE", cart["lines"], None)
    assert await charges(shop, cart) == [("VOIDED", 0)]
    assert (await shop.add_lines(guest, cart, TEA=1))["errors"] == []


async def test_a_declined_key_stays_declined_and_a_new_key_pays(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)

    first, again = [await shop.check_out(guest, cart, token="declined", key="K") for _ in range(2)]
    paid = await shop.check_out(guest, cart, key="L")

    assert first == again
    assert codes(first) == ["PAYMENT_DECLINED"]
    assert (paid["errors"], await order_count(shop, cart)) == ([], 1)
    assert [row["status"] for row in await attempts(shop, cart)] == ["DECLINED", "COMPLETED"]


async def test_a_provider_that_does_not_answer_times_out(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)

    async with asyncio.timeout(shop.hub.settings.gateway_timeout_s + 5):
        payload = await shop.check_out(guest, cart, token="timeout")

    assert (payload["order"], codes_and_paths(payload)) == (None, [("PAYMENT_PENDING", ["payments"])])
    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 2)
    assert (await read(guest, cart))["status"] == "ACTIVE"


async def test_a_checkout_that_waits_for_its_provider_blocks_no_other(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    slow, others = await cart_to_pick_up(shop, guest, TEA=1), [await shop.create_cart(till, TEA=1) for _ in range(3)]
    waiting = asyncio.create_task(shop.check_out(guest, slow, token="timeout"))
    await wait_for_attempt(shop, slow)

    done = await asyncio.gather(*(pay(till, cart, cash("648")) for cart in others))

    assert not waiting.done()
    assert [payload["errors"] for payload in done] == [[]] * 3
    assert codes(await waiting) == ["PAYMENT_PENDING"]
    assert await stock_quantities(shop, "TEA", "S1") == (2, 0, 1)


async def test_more_slow_payments_than_connections_block_no_other(shop: Shop) -> None:
    await shop.receive(TEA_S1=99)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    many = range(shop.hub.settings.database_pool_size + 5)
    slow = await asyncio.gather(*(cart_to_pick_up(shop, guest, TEA=1) for _ in many))
    cart = await shop.create_cart(till, TEA=1)
    waiting = [asyncio.create_task(shop.check_out(guest, one, token="timeout")) for one in slow]
    for one in slow:
        await wait_for_attempt(shop, one)

    done = await pay(till, cart, cash("648"))

    assert (done["errors"], all(task.done() for task in waiting)) == ([], False)
    assert {codes(payload)[0] for payload in await asyncio.gather(*waiting)} == {"PAYMENT_PENDING"}


async def test_the_sweep_ends_an_attempt_that_was_never_answered(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)
    await shop.check_out(guest, cart, token="timeout", key="K")
    await make_due(shop, cart)

    await sweeps.finish_checkouts(shop.hub.work)

    assert await stock_quantities(shop, "TEA", "W1") == (5, 0, 0)
    assert [row["status"] for row in await attempts(shop, cart)] == ["ABANDONED"]
    assert await charges(shop, cart) == [("VOIDED", 0)]
    assert codes(await shop.check_out(guest, cart, token="timeout", key="K")) == ["PAYMENT_DECLINED"]
    assert (await shop.check_out(guest, cart, key="L"))["order"]["paymentStatus"] == "PAID"


async def test_the_sweep_skips_attempts_that_are_not_due(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)
    await shop.check_out(guest, cart, token="timeout")

    await sweeps.finish_checkouts(shop.hub.work)

    assert [row["status"] for row in await attempts(shop, cart)] == ["PENDING"]


async def test_the_same_key_finds_a_charge_whose_answer_was_lost(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)

    lost, found = [await shop.check_out(guest, cart, token="lost", key="K") for _ in range(2)]

    assert (lost["order"], codes(lost)) == (None, ["PAYMENT_PENDING"])
    assert found["order"]["paymentStatus"] == "PAID"
    assert (await order_count(shop, cart), await charges(shop, cart)) == (1, [("CAPTURED", 1296)])
    assert await stock_quantities(shop, "TEA", "W1") == (5, 2, 0)


async def test_the_sweep_places_the_order_of_a_lost_answer(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)
    await shop.check_out(guest, cart, token="lost", key="K")
    await make_due(shop, cart)

    for _ in range(2):
        await sweeps.finish_checkouts(shop.hub.work)

    after = await read(guest, cart)
    assert (after["status"], after["order"]["status"]) == ("ORDERED", "OPEN")
    assert (await order_count(shop, cart), await charges(shop, cart)) == (1, [("CAPTURED", 1296)])
    assert (await shop.check_out(guest, cart, token="lost", key="K"))["order"]["number"] == after["order"]["number"]


async def test_a_subscriber_of_the_cart_sees_the_order_of_a_lost_answer(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=1)
    async with guest.subscribe(
        f"subscription ($c: ID!) {{ cartChanged(cartId: $c) {{ {CART} }} }}", c=cart["id"]
    ) as on:
        await on.next()
        await shop.check_out(guest, cart, token="lost")
        await make_due(shop, cart)

        await sweeps.finish_checkouts(shop.hub.work)

        assert (await on.until(lambda state: state["status"] == "ORDERED"))["order"]["status"] == "OPEN"


async def test_the_same_key_and_the_sweep_at_once_make_one_order(shop: Shop) -> None:
    await shop.receive(TEA_W1=50)
    guest = shop.guest("app")
    carts = [await cart_to_ship(shop, guest, TEA=1) for _ in range(5)]
    for cart in carts:
        await shop.check_out(guest, cart, token="lost", key="K")
        await make_due(shop, cart)

    await asyncio.gather(
        sweeps.finish_checkouts(shop.hub.work),
        sweeps.finish_checkouts(shop.hub.work),
        *(shop.check_out(guest, cart, token="lost", key="K") for cart in carts),
    )

    assert [await order_count(shop, cart) for cart in carts] == [1] * 5
    assert [await charges(shop, cart) for cart in carts] == [[("CAPTURED", 648)]] * 5
    assert await stock_quantities(shop, "TEA", "W1") == (50, 5, 0)


async def test_the_same_key_in_parallel_gives_the_same_order(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)

    payloads = await asyncio.gather(*(shop.check_out(guest, cart, key="K") for _ in range(8)))

    assert {payload["order"]["number"] for payload in payloads} == {payloads[0]["order"]["number"]}
    assert await charges(shop, cart) == [("CAPTURED", 1296)]
    assert await stock_quantities(shop, "TEA", "W1") == (5, 2, 0)


async def test_another_key_later_finds_the_cart_closed(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=2)
    await shop.check_out(guest, cart, key="K")

    payload = await shop.check_out(guest, cart, key="L")

    assert codes_and_paths(payload) == [("CART_NOT_ACTIVE", ["cartId"])]
    assert await charges(shop, cart) == [("CAPTURED", 1296)]


async def test_a_cart_is_closed_to_changes_while_it_is_being_paid(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest, phone = shop.guest("app"), await shop.customer()
    cart = await cart_to_ship(shop, guest, TEA=2)
    await shop.check_out(guest, cart, token="timeout", key="K")
    merge = "mutation ($c: ID!) { cartMerge(fromCartId: $c) { errors { code } } }"
    line = cart["lines"][0]["id"]
    update = (
        "mutation ($c: ID!, $l: ID!) { cartLinesUpdate(cartId: $c, lines: [{lineId: $l, quantity: 9}]) "
        "{ errors { code } } }"
    )

    refused = [
        await shop.add_lines(guest, cart, TEA=1),
        await shop.set_fulfillment(guest, cart, "PICKUP", location="S1"),
        await guest.mutate(update, c=cart["id"], l=line),
        await phone.mutate(merge, c=cart["id"]),
        await shop.check_out(guest, cart, key="L"),
    ]

    assert [codes(payload) for payload in refused] == [["CART_NOT_ACTIVE"]] * 5
    after = await read(guest, cart)
    assert (after["quantity"], after["customer"]) == (2, None)


async def test_cash_and_a_card_pay_together_at_a_till(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=2)

    payload = await pay(till, cart, cash("1000", "R-7"), card("296"))

    order = payload["order"]
    assert (order["status"], order["paymentStatus"]) == ("COMPLETED", "PAID")
    assert [(p["method"], p["amount"]["amount"]) for p in order["payments"]] == [("CASH", "1000"), ("TEST", "296")]
    assert order["payments"][0]["reference"] == "R-7"
    assert [e["type"] for e in order["timeline"]] == [
        "order.placed",
        "payment.updated",
        "payment.updated",
        "order.completed",
    ]
    assert await charges(shop, cart) == [("CAPTURED", 296)]
    assert await stock_quantities(shop, "TEA", "S1") == (3, 0, 0)


async def test_one_declined_card_of_two_charges_neither(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=2)

    payload = await pay(till, cart, card("1000"), card("296", "declined"))

    assert codes(payload) == ["PAYMENT_DECLINED"]
    assert {status for status, _ in await charges(shop, cart)} == {"VOIDED"}
    assert await stock_quantities(shop, "TEA", "S1") == (5, 0, 0)


async def test_a_card_at_a_till_sells_what_is_carried_out(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    till = await shop.terminal("S1")

    order = (await pay(till, await shop.create_cart(till, TEA=2), card("1296")))["order"]

    assert (order["status"], fulfilled_units(order)) == ("COMPLETED", {("CARRY_OUT", "S1"): {"TEA": 2}})
    assert await stock_quantities(shop, "TEA", "S1") == (0, 0, 0)


@pytest.mark.parametrize("token", [None, "", "stolen"])
async def test_an_invalid_token_is_refused_before_any_change(shop: Shop, token: str | None) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=1)

    payload = await shop.check_out(guest, cart, token=token)

    assert codes_and_paths(payload) == [("INVALID", ["payments", "0", "token"])]
    assert (await attempts(shop, cart), await read(guest, cart)) == ([], cart)


async def test_an_unknown_provider_is_refused(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=1)

    payload = await pay(guest, cart, {"method": "GOLD", "amount": "648"})

    assert codes_and_paths(payload) == [("INVALID", ["payments", "0", "method"])]


async def test_tokens_are_deleted_when_the_attempt_ends(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    paid, declined = await cart_to_ship(shop, guest, TEA=1), await cart_to_ship(shop, guest, TEA=1)
    await shop.check_out(guest, paid, token="ok")
    await shop.check_out(guest, declined, token="declined")

    kept = [(await attempts(shop, cart))[0]["draft"]["charges"][0]["token"] for cart in (paid, declined)]

    assert kept == [None, None]


async def test_the_contact_of_a_guest_is_kept_with_the_order(shop: Shop) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")

    payload = await shop.check_out(
        guest, await cart_to_ship(shop, guest, TEA=1), email="Hana@Example.com", phone="+81 90-1234-5678"
    )

    async with shop.hub.database.reading() as session:
        row = await session.fetchrow("SELECT email, phone FROM orders WHERE number = $1", payload["order"]["number"])
    assert (row["email"], "1234" in row["phone"]) == ("hana@example.com", True)


@pytest.mark.parametrize(("field", "value"), [("email", "nobody"), ("phone", "x"), ("email", "a\x00@b.jp")])
async def test_an_invalid_contact_is_refused(shop: Shop, field: str, value: str) -> None:
    await shop.receive(TEA_W1=5)
    guest = shop.guest("app")
    cart = await cart_to_ship(shop, guest, TEA=1)

    payload = await shop.check_out(guest, cart, **{field: value})

    assert codes_and_paths(payload) == [("INVALID", [field])]
    assert await read(guest, cart) == cart
