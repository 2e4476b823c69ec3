"""cartHandoff and cartClaim between a customer's devices: a code is used once, before it expires."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.support import cart_calls
from tests.support.shop import CART, Shop
from uriba.core.errors import Code


async def test_a_code_has_unambiguous_letters_and_a_qr_content(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)

    handed = await cart_calls.hand_off(guest, cart)

    assert len(handed["code"]) == 8
    assert not set(handed["code"]) & set("01OI")
    assert handed["qr"] == f"URIBA:CART:{handed['code']}"
    left = datetime.fromisoformat(handed["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)


@pytest.mark.parametrize("typed", ["{code}", "URIBA:CART:{code}", " {low} ", "{half}-{rest}"])
async def test_a_code_is_found_however_it_is_typed(shop: Shop, typed: str) -> None:
    guest, phone = shop.guest(), await shop.customer()
    cart = await shop.create_cart(guest, TEA=1)
    code = (await cart_calls.hand_off(guest, cart))["code"]

    payload = await cart_calls.claim(phone, typed.format(code=code, low=code.lower(), half=code[:4], rest=code[4:]))

    assert payload["cart"]["id"] == cart["id"]


async def test_a_code_is_used_once(shop: Shop) -> None:
    guest, phone, other = shop.guest(), await shop.customer(), await shop.terminal()
    code = (await cart_calls.hand_off(guest, await shop.create_cart(guest, TEA=1)))["code"]
    await cart_calls.claim(phone, code)

    again = [await cart_calls.claim(client, code) for client in (phone, other)]

    assert [[(e["code"], e["path"]) for e in payload["errors"]] for payload in again] == [
        [("CODE_EXPIRED", ["code"])]
    ] * 2


async def test_of_two_tills_that_scan_a_code_at_once_one_gets_the_cart(shop: Shop) -> None:
    guest, tills = shop.guest(), [await shop.terminal("S1"), await shop.terminal("S2")]
    code = (await cart_calls.hand_off(guest, await shop.create_cart(guest, TEA=1)))["code"]

    payloads = await asyncio.gather(*(cart_calls.claim(till, code) for till in tills))

    assert sorted(cart_calls.codes(payload) for payload in payloads) == [[], ["CODE_EXPIRED"]]


async def test_a_code_expires(shop: Shop) -> None:
    guest, phone = shop.guest(), await shop.customer()
    cart = await shop.create_cart(guest, TEA=1)
    code = (await cart_calls.hand_off(guest, cart))["code"]
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE handoff SET expires_at = now() WHERE cart_id = $1", cart_calls.key(cart))

    payload = await cart_calls.claim(phone, code)

    assert cart_calls.codes(payload) == ["CODE_EXPIRED"]
    assert await cart_calls.read(guest, cart) == cart


async def test_an_unissued_code_is_unknown(shop: Shop) -> None:
    payload = await cart_calls.claim(await shop.customer(), "ZZZZ9999")

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["code"])]


async def test_guessing_is_limited_per_caller_and_ends_with_the_term(shop: Shop) -> None:
    guest, guesser, phone = shop.guest(), await shop.terminal(), await shop.customer()
    cart = await shop.create_cart(guest, TEA=1)
    guesses = [await cart_calls.claim(guesser, f"WRONG{n:03}") for n in range(10)]
    code = (await cart_calls.hand_off(guest, cart))["code"]

    refused = await cart_calls.claim(guesser, code)
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE handoff_guess SET since = since - interval '10 minutes'")
    later = await cart_calls.claim(guesser, code)

    assert [cart_calls.codes(payload) for payload in guesses] == [["NOT_FOUND"]] * 10
    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("LIMIT_EXCEEDED", ["code"])]
    assert later["cart"]["id"] == cart["id"]
    assert (await cart_calls.claim(phone, code))["errors"][0]["code"] == Code.CODE_EXPIRED


async def test_a_customers_device_makes_a_guests_cart_the_customers_own(shop: Shop) -> None:
    guest, phone = shop.guest(), await shop.customer()
    cart = await shop.create_cart(guest, TEA=1)

    claimed = await cart_calls.hand_over(guest, cart, phone)

    assert (claimed["id"], claimed["customer"], claimed["channel"]["code"]) == (
        cart["id"],
        {"name": "Hana"},
        shop.code("web"),
    )
    assert await cart_calls.read(guest, cart) is None
    assert (await cart_calls.create(phone))["cart"]["id"] == cart["id"]


async def test_a_guests_cart_claimed_by_a_customer_is_merged_into_the_active_one(shop: Shop) -> None:
    guest, phone = shop.guest(), await shop.customer()
    cart, mine = await shop.create_cart(guest, TEA=1, POT=1), await shop.create_cart(phone, TEA=2)

    claimed = await cart_calls.hand_over(guest, cart, phone)

    assert claimed["id"] == mine["id"]
    assert cart_calls.quantities(claimed) == {"TEA": 3, "POT": 1}
    assert (await cart_calls.read(guest, cart))["status"] == "MERGED"


async def test_a_customers_own_cart_is_handed_off_unchanged(shop: Shop) -> None:
    phone, web = await shop.customer(), await shop.customer(channel="web")
    cart = await shop.create_cart(phone, TEA=1)

    claimed = await cart_calls.hand_over(phone, cart, web)

    assert (claimed["id"], cart_calls.methods(claimed), claimed["total"]) == (
        cart["id"],
        {"TEA": "SHIP"},
        cart["total"],
    )
    assert claimed["lastChangedBy"] == shop.code("web")


async def test_another_customers_code_is_answered_like_an_unknown_one(shop: Shop) -> None:
    hana, taro = await shop.customer("HANA"), await shop.customer("TARO")
    code = (await cart_calls.hand_off(hana, await shop.create_cart(hana, TEA=1)))["code"]

    stolen, unknown = await cart_calls.claim(taro, code), await cart_calls.claim(taro, "ZZZZ9999")
    claimed = await cart_calls.claim(await shop.terminal(), code)

    assert stolen == unknown
    assert cart_calls.codes(stolen) == ["NOT_FOUND"]
    assert claimed["errors"] == []


async def test_a_closed_cart_is_not_handed_off(shop: Shop) -> None:
    guest, phone = shop.guest(), await shop.customer()
    cart, mine = await shop.create_cart(guest, TEA=1), await shop.create_cart(phone)
    code = (await cart_calls.hand_off(guest, cart))["code"]
    await cart_calls.merge(phone, cart, mine)

    handed, claimed = await cart_calls.hand_off(guest, cart), await cart_calls.claim(await shop.terminal(), code)

    assert [(e["code"], e["path"]) for e in handed["errors"]] == [("CART_NOT_ACTIVE", ["cartId"])]
    assert handed["code"] is None
    assert [(e["code"], e["path"]) for e in claimed["errors"]] == [("CART_NOT_ACTIVE", ["code"])]


async def test_the_phone_sees_at_once_that_the_till_has_the_cart(shop: Shop) -> None:
    phone, till = await shop.customer(), await shop.terminal()
    cart = await shop.create_cart(phone, TEA=1)
    async with phone.subscribe(
        f"subscription ($c: ID!) {{ cartChanged(cartId: $c) {{ {CART} }} }}", c=cart["id"]
    ) as on:
        await on.next()

        claimed = await cart_calls.hand_over(phone, cart, till)

        assert await on.until(lambda state: state["version"] >= claimed["version"]) == claimed
        assert claimed["lastChangedBy"] == shop.code("stores")
