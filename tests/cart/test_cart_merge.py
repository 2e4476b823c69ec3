"""cartMerge: the policies, who may merge which carts, and the state of both afterwards."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import cart_calls
from tests.support.shop import ERRORS, Shop


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("SUM", {"TEA": 5, "POT": 1, "CUP": 1}),
        ("MAX", {"TEA": 3, "POT": 1, "CUP": 1}),
        ("KEEP_FROM", {"TEA": 3, "POT": 1}),
        ("KEEP_INTO", {"TEA": 2, "CUP": 1}),
    ],
)
async def test_the_policy_decides_the_quantities(shop: Shop, policy: str, expected: dict[str, int]) -> None:
    guest, phone = shop.guest(), await shop.customer()
    source, into = await shop.create_cart(guest, TEA=3, POT=1), await shop.create_cart(phone, TEA=2, CUP=1)

    payload = await cart_calls.merge(phone, source, policy=policy)

    assert (payload["cart"]["id"], cart_calls.quantities(payload["cart"])) == (into["id"], expected)
    assert payload["cart"]["version"] == into["version"] + 1
    gone = await cart_calls.read(guest, source)
    assert (gone["status"], gone["lines"]) == ("MERGED", [])


async def test_the_default_policy_is_sum(shop: Shop) -> None:
    guest = shop.guest()
    source, into = await shop.create_cart(guest, TEA=3), await shop.create_cart(guest, TEA=2)

    payload = await guest.mutate(
        f"mutation ($f: ID!, $i: ID) {{ cartMerge(fromCartId: $f, intoCartId: $i) {{ cart {{ quantity }} {ERRORS} }} }}",
        f=source["id"],
        i=into["id"],
    )

    assert payload == {"cart": {"quantity": 5}, "errors": []}


async def test_a_guests_cart_without_another_is_adopted_with_its_id(shop: Shop) -> None:
    guest, phone = shop.guest("web"), await shop.customer()
    cart = await shop.create_cart(guest, TEA=3)

    payload = await cart_calls.merge(phone, cart)

    adopted = payload["cart"]
    assert (adopted["id"], adopted["status"], adopted["customer"]) == (cart["id"], "ACTIVE", {"name": "Hana"})
    assert (adopted["channel"]["code"], adopted["version"]) == (shop.code("web"), cart["version"] + 1)
    assert [line["id"] for line in adopted["lines"]] == [line["id"] for line in cart["lines"]]


async def test_a_customer_who_signs_in_on_two_devices_at_once_has_one_cart(shop: Shop) -> None:
    guest, phone, web = shop.guest(), await shop.customer(), await shop.customer(channel="web")
    for _ in range(4):
        carts = [await shop.create_cart(guest, TEA=1) for _ in range(4)]

        payloads = await asyncio.gather(
            *(cart_calls.merge(device, cart) for device, cart in zip([phone, web] * 2, carts, strict=True))
        )

        assert [payload["errors"] for payload in payloads] == [[]] * 4
    active = (await cart_calls.create(phone))["cart"]
    assert cart_calls.quantities(active) == {"TEA": 16}


async def test_a_sign_in_during_a_cart_create_leaves_one_cart(shop: Shop) -> None:
    guest = shop.guest()
    for n in range(6):
        phone = await shop.customer(f"CARD{n}")
        cart = await shop.create_cart(guest, TEA=1)

        merged, _ = await asyncio.gather(cart_calls.merge(phone, cart), shop.create_cart(phone, POT=1))

        assert merged["errors"] == []
        assert cart_calls.quantities((await cart_calls.create(phone))["cart"]) == {"TEA": 1, "POT": 1}


async def test_opposite_merges_of_two_carts_do_not_deadlock(shop: Shop) -> None:
    guest = shop.guest()
    for _ in range(5):
        one, two = await shop.create_cart(guest, TEA=1), await shop.create_cart(guest, TEA=1)

        payloads = await asyncio.gather(cart_calls.merge(guest, one, two), cart_calls.merge(guest, two, one))

        assert sorted(cart_calls.codes(payload) for payload in payloads) == [[], ["CART_NOT_ACTIVE"]]


async def test_a_customers_cart_is_not_merged_into_a_guests(shop: Shop) -> None:
    guest, phone = shop.guest(), await shop.customer()
    mine, other = await shop.create_cart(phone, TEA=1), await shop.create_cart(guest, TEA=1)

    payload = await cart_calls.merge(phone, mine, other)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["fromCartId"])]
    assert (await cart_calls.read(phone, mine), await cart_calls.read(guest, other)) == (mine, other)


@pytest.mark.parametrize("role", ["from", "into"])
async def test_another_customers_cart_is_answered_like_an_unknown_one(shop: Shop, role: str) -> None:
    hana, taro = await shop.customer("HANA"), await shop.customer("TARO")
    hers, his = await shop.create_cart(hana, TEA=1), await shop.create_cart(taro, TEA=1)
    unknown = {"id": "Q2FydDowMDAwMDAwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDA="}

    payload, same = [
        await cart_calls.merge(taro, *((cart, his) if role == "from" else (his, cart))) for cart in (hers, unknown)
    ]

    assert payload == same
    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", [f"{role}CartId"])]
    assert (await cart_calls.read(hana, hers), await cart_calls.read(taro, his)) == (hers, his)


async def test_a_guest_cannot_put_lines_into_a_customers_cart(shop: Shop) -> None:
    guest, phone = shop.guest(), await shop.customer()
    mine, other = await shop.create_cart(phone, TEA=1), await shop.create_cart(guest, TEA=1)

    payload = await cart_calls.merge(guest, other, mine)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["intoCartId"])]
    assert await cart_calls.read(phone, mine) == mine


async def test_a_till_may_merge_a_guests_cart_into_the_customers(shop: Shop) -> None:
    guest, phone, till = shop.guest(), await shop.customer(), await shop.terminal()
    mine, other = await shop.create_cart(phone, TEA=1), await shop.create_cart(guest, TEA=1)

    payload = await cart_calls.merge(till, other, mine)

    assert (payload["errors"], payload["cart"]["quantity"]) == ([], 2)


@pytest.mark.parametrize("caller", ["guest", "till"])
async def test_only_a_customer_may_leave_out_the_other_cart(shop: Shop, caller: str) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)

    payload = await cart_calls.merge(guest if caller == "guest" else await shop.terminal(), cart)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["intoCartId"])]


async def test_a_cart_is_not_merged_into_itself(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)

    payload = await cart_calls.merge(guest, cart, cart)

    assert cart_calls.codes(payload) == ["INVALID"]
    assert await cart_calls.read(guest, cart) == cart


async def test_a_merged_cart_is_closed(shop: Shop) -> None:
    guest = shop.guest()
    source, into = await shop.create_cart(guest, TEA=3), await shop.create_cart(guest, TEA=2)
    await cart_calls.merge(guest, source, into)

    payloads = [await cart_calls.merge(guest, source, into), await shop.add_lines(guest, source, TEA=1)]

    assert [cart_calls.codes(payload) for payload in payloads] == [["CART_NOT_ACTIVE"]] * 2
    assert (await cart_calls.read(guest, into))["quantity"] == 5


async def test_carts_of_two_currencies_do_not_merge(shop: Shop) -> None:
    channel = {
        "code": shop.code("abroad"),
        "name": "Abroad",
        "kind": "WEB",
        "currency": "USD",
        "locations": [shop.code("W1")],
        "taxRates": [],
    }
    await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[channel]
    )
    guest = shop.guest()
    source, into = await shop.create_cart(guest, "abroad"), await shop.create_cart(guest, TEA=2)

    payload = await cart_calls.merge(guest, source, into)

    assert cart_calls.codes(payload) == ["CURRENCY_MISMATCH"]
    assert (await cart_calls.read(guest, source))["status"] == "ACTIVE"


async def test_a_sum_above_a_hundred_thousand_is_refused(shop: Shop) -> None:
    guest = shop.guest()
    source, into = await shop.create_cart(guest, TEA=60_000), await shop.create_cart(guest, TEA=60_000)

    payload = await cart_calls.merge(guest, source, into)

    assert cart_calls.codes(payload) == ["INVALID_QUANTITY"]
    assert (await cart_calls.read(guest, source), await cart_calls.read(guest, into)) == (source, into)


async def test_lines_from_another_channel_warn_of_the_other_price(shop: Shop) -> None:
    await cart_calls.reprice(shop, "TEA", "700", channel="app")
    guest, phone = shop.guest("web"), await shop.customer()
    source = await shop.create_cart(guest, TEA=1)
    await shop.create_cart(phone, POT=1)

    payload = await cart_calls.merge(phone, source)

    assert cart_calls.line(payload["cart"], "TEA")["unitPrice"]["amount"] == "700"
    assert "PRICE_CHANGED" in cart_calls.warnings(payload["cart"], "TEA")
