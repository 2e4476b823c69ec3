"""cartMerge: whose lines win, who may merge what, and what becomes of the carts."""

from __future__ import annotations

import asyncio

import baskets
import pytest

from shop import ERRORS, Shop


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("SUM", {"TEA": 5, "POT": 1, "CUP": 1}),
        ("MAX", {"TEA": 3, "POT": 1, "CUP": 1}),
        ("KEEP_FROM", {"TEA": 3, "POT": 1}),
        ("KEEP_INTO", {"TEA": 2, "CUP": 1}),
    ],
)
async def test_a_policy_says_whose_lines_win(shop: Shop, policy: str, expected: dict[str, int]) -> None:
    guest, phone = shop.guest(), await shop.customer()
    source, into = await shop.cart(guest, TEA=3, POT=1), await shop.cart(phone, TEA=2, CUP=1)

    payload = await baskets.merge(phone, source, policy=policy)

    assert (payload["cart"]["id"], baskets.quantities(payload["cart"])) == (into["id"], expected)
    assert payload["cart"]["version"] == into["version"] + 1
    gone = await baskets.read(guest, source)
    assert (gone["status"], gone["lines"]) == ("MERGED", [])


async def test_sum_is_the_policy_when_none_is_said(shop: Shop) -> None:
    guest = shop.guest()
    source, into = await shop.cart(guest, TEA=3), await shop.cart(guest, TEA=2)

    payload = await guest.do(
        f"mutation ($f: ID!, $i: ID) {{ cartMerge(fromCartId: $f, intoCartId: $i) {{ cart {{ quantity }} {ERRORS} }} }}",
        f=source["id"],
        i=into["id"],
    )

    assert payload == {"cart": {"quantity": 5}, "errors": []}


async def test_a_guests_cart_without_another_is_adopted_with_its_id(shop: Shop) -> None:
    guest, phone = shop.guest("web"), await shop.customer()
    cart = await shop.cart(guest, TEA=3)

    payload = await baskets.merge(phone, cart)

    adopted = payload["cart"]
    assert (adopted["id"], adopted["status"], adopted["customer"]) == (cart["id"], "ACTIVE", {"name": "Hana"})
    assert (adopted["channel"]["code"], adopted["version"]) == (shop.code("web"), cart["version"] + 1)
    assert [line["id"] for line in adopted["lines"]] == [line["id"] for line in cart["lines"]]


async def test_a_customer_who_signs_in_on_two_devices_at_once_has_one_cart(shop: Shop) -> None:
    guest, phone, web = shop.guest(), await shop.customer(), await shop.customer(channel="web")
    for _ in range(4):
        carts = [await shop.cart(guest, TEA=1) for _ in range(4)]

        payloads = await asyncio.gather(
            *(baskets.merge(device, cart) for device, cart in zip([phone, web] * 2, carts, strict=True))
        )

        assert [payload["errors"] for payload in payloads] == [[]] * 4
    active = (await baskets.create(phone))["cart"]
    assert baskets.quantities(active) == {"TEA": 16}


async def test_signing_in_while_the_other_device_begins_a_cart_ends_in_one_cart(shop: Shop) -> None:
    guest = shop.guest()
    for n in range(6):
        phone = await shop.customer(f"CARD{n}")
        cart = await shop.cart(guest, TEA=1)

        merged, _ = await asyncio.gather(baskets.merge(phone, cart), shop.cart(phone, POT=1))

        assert merged["errors"] == []
        assert baskets.quantities((await baskets.create(phone))["cart"]) == {"TEA": 1, "POT": 1}


async def test_two_merges_of_the_same_carts_both_ways_do_not_wait_for_each_other_for_ever(shop: Shop) -> None:
    guest = shop.guest()
    for _ in range(5):
        one, two = await shop.cart(guest, TEA=1), await shop.cart(guest, TEA=1)

        payloads = await asyncio.gather(baskets.merge(guest, one, two), baskets.merge(guest, two, one))

        assert sorted(baskets.codes(payload) for payload in payloads) == [[], ["CART_NOT_ACTIVE"]]


async def test_a_customers_cart_does_not_go_into_a_guests(shop: Shop) -> None:
    guest, phone = shop.guest(), await shop.customer()
    mine, other = await shop.cart(phone, TEA=1), await shop.cart(guest, TEA=1)

    payload = await baskets.merge(phone, mine, other)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["fromCartId"])]
    assert (await baskets.read(phone, mine), await baskets.read(guest, other)) == (mine, other)


@pytest.mark.parametrize("role", ["from", "into"])
async def test_another_customers_cart_is_answered_like_an_unknown_one(shop: Shop, role: str) -> None:
    hana, taro = await shop.customer("HANA"), await shop.customer("TARO")
    hers, his = await shop.cart(hana, TEA=1), await shop.cart(taro, TEA=1)
    unknown = {"id": "Q2FydDowMDAwMDAwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDA="}

    payload, same = [
        await baskets.merge(taro, *((cart, his) if role == "from" else (his, cart))) for cart in (hers, unknown)
    ]

    assert payload == same
    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", [f"{role}CartId"])]
    assert (await baskets.read(hana, hers), await baskets.read(taro, his)) == (hers, his)


async def test_a_guest_cannot_put_lines_into_a_customers_cart(shop: Shop) -> None:
    guest, phone = shop.guest(), await shop.customer()
    mine, other = await shop.cart(phone, TEA=1), await shop.cart(guest, TEA=1)

    payload = await baskets.merge(guest, other, mine)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["intoCartId"])]
    assert await baskets.read(phone, mine) == mine


async def test_a_till_may_merge_a_guests_cart_into_the_customers(shop: Shop) -> None:
    guest, phone, till = shop.guest(), await shop.customer(), await shop.terminal()
    mine, other = await shop.cart(phone, TEA=1), await shop.cart(guest, TEA=1)

    payload = await baskets.merge(till, other, mine)

    assert (payload["errors"], payload["cart"]["quantity"]) == ([], 2)


@pytest.mark.parametrize("caller", ["guest", "till"])
async def test_only_a_customer_may_leave_out_the_other_cart(shop: Shop, caller: str) -> None:
    guest = shop.guest()
    cart = await shop.cart(guest, TEA=1)

    payload = await baskets.merge(guest if caller == "guest" else await shop.terminal(), cart)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["intoCartId"])]


async def test_a_cart_is_not_merged_into_itself(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.cart(guest, TEA=1)

    payload = await baskets.merge(guest, cart, cart)

    assert baskets.codes(payload) == ["INVALID"]
    assert await baskets.read(guest, cart) == cart


async def test_a_merged_cart_is_closed(shop: Shop) -> None:
    guest = shop.guest()
    source, into = await shop.cart(guest, TEA=3), await shop.cart(guest, TEA=2)
    await baskets.merge(guest, source, into)

    payloads = [await baskets.merge(guest, source, into), await shop.add(guest, source, TEA=1)]

    assert [baskets.codes(payload) for payload in payloads] == [["CART_NOT_ACTIVE"]] * 2
    assert (await baskets.read(guest, into))["quantity"] == 5


async def test_carts_of_two_currencies_do_not_merge(shop: Shop) -> None:
    channel = {
        "code": shop.code("abroad"),
        "name": "Abroad",
        "kind": "WEB",
        "currency": "USD",
        "locations": [shop.code("W1")],
        "taxRates": [],
    }
    await shop.staff.do(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[channel]
    )
    guest = shop.guest()
    source, into = await shop.cart(guest, "abroad"), await shop.cart(guest, TEA=2)

    payload = await baskets.merge(guest, source, into)

    assert baskets.codes(payload) == ["CURRENCY_MISMATCH"]
    assert (await baskets.read(guest, source))["status"] == "ACTIVE"


async def test_a_sum_above_a_hundred_thousand_is_refused(shop: Shop) -> None:
    guest = shop.guest()
    source, into = await shop.cart(guest, TEA=60_000), await shop.cart(guest, TEA=60_000)

    payload = await baskets.merge(guest, source, into)

    assert baskets.codes(payload) == ["INVALID_QUANTITY"]
    assert (await baskets.read(guest, source), await baskets.read(guest, into)) == (source, into)


async def test_lines_from_another_channel_warn_of_the_other_price(shop: Shop) -> None:
    await baskets.reprice(shop, "TEA", "700", channel="app")
    guest, phone = shop.guest("web"), await shop.customer()
    source = await shop.cart(guest, TEA=1)
    await shop.cart(phone, POT=1)

    payload = await baskets.merge(phone, source)

    assert baskets.line(payload["cart"], "TEA")["unitPrice"]["amount"] == "700"
    assert "PRICE_CHANGED" in baskets.warnings(payload["cart"], "TEA")
