"""cartLinesAdd: quantities add up, and a repeated key adds once."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import cart_calls
from tests.support.shop import CART, ERRORS, Shop

ADD = f"""mutation ($c: ID!, $l: [CartLineInput!]!, $k: String) {{
    cartLinesAdd(cartId: $c, lines: $l, idempotencyKey: $k) {{ cart {{ {CART} }} {ERRORS} }} }}"""


async def test_two_devices_that_add_one_each_add_two(shop: Shop) -> None:
    phone, web = await shop.customer(), await shop.customer(channel="web")
    cart = await shop.create_cart(phone)

    await asyncio.gather(shop.add_lines(phone, cart, TEA=1), shop.add_lines(web, cart, TEA=1))

    assert cart_calls.quantities(await cart_calls.read(phone, cart)) == {"TEA": 2}


async def test_fifty_additions_at_once_lose_nothing(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest)
    names = ["TEA", "POT", "CUP", "TEA", "POT"] * 10

    payloads = await asyncio.gather(*(shop.add_lines(guest, cart, **{name: 1}) for name in names))

    assert [payload["errors"] for payload in payloads] == [[]] * 50
    after = await cart_calls.read(guest, cart)
    assert cart_calls.quantities(after) == {"TEA": 20, "POT": 20, "CUP": 10}
    assert sorted(payload["cart"]["version"] for payload in payloads) == list(range(2, 52))
    assert after["version"] == 51


async def test_rows_of_one_variant_by_sku_and_id_are_one_line(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest)
    variant = (await guest.execute("query ($s: String) { variant(sku: $s) { id } }", s=shop.sku("TEA")))["variant"][
        "id"
    ]

    payload = await guest.mutate(
        ADD, c=cart["id"], l=[{"sku": shop.sku("TEA"), "quantity": 2}, {"variantId": variant, "quantity": 3}]
    )

    assert [line["quantity"] for line in payload["cart"]["lines"]] == [5]


async def test_an_addition_records_its_channel(shop: Shop) -> None:
    phone, web = await shop.customer(), await shop.customer(channel="web")
    cart = await shop.create_cart(phone, TEA=1)

    payload = await shop.add_lines(web, cart, POT=1)

    assert payload["cart"]["version"] == cart["version"] + 1
    assert (payload["cart"]["lastChangedBy"], payload["cart"]["total"]["amount"]) == (shop.code("web"), "3948")


@pytest.mark.parametrize(
    ("row", "code", "path"),
    [
        ({"sku": "UFO"}, "NOT_FOUND", "sku"),
        ({"sku": "TEA", "quantity": 0}, "INVALID_QUANTITY", "quantity"),
        ({"sku": "TEA", "quantity": -1}, "INVALID_QUANTITY", "quantity"),
        ({"sku": "TEA", "quantity": 100_001}, "INVALID_QUANTITY", "quantity"),
        ({"quantity": 1}, "INVALID", None),
        ({"sku": "TEA", "variantId": "VmFyaWFudDox"}, "INVALID", None),
        ({"variantId": "bm9uc2Vuc2U="}, "NOT_FOUND", "variantId"),
        ({"sku": "TE\x00A"}, "INVALID", "sku"),
    ],
)
async def test_one_bad_row_refuses_all_rows(shop: Shop, row: dict[str, object], code: str, path: str | None) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    if "sku" in row:
        row = row | {"sku": shop.sku(str(row["sku"]))}

    payload = await guest.mutate(ADD, c=cart["id"], l=[{"sku": shop.sku("POT")}, row])

    expected = (code, ["lines", "1"] + ([path] if path else []))
    assert [(e["code"], e["path"]) for e in payload["errors"]] == [expected]
    assert await cart_calls.read(guest, cart) == cart


async def test_all_bad_rows_are_reported_at_once(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest)

    payload = await guest.mutate(ADD, c=cart["id"], l=[{"sku": "UFO"}, {"sku": shop.sku("TEA")}, {"sku": "YETI"}])

    assert [e["path"] for e in payload["errors"]] == [["lines", "0", "sku"], ["lines", "2", "sku"]]


async def test_a_line_has_at_most_a_hundred_thousand_units(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=99_999)

    full, over = await shop.add_lines(guest, cart, TEA=1), await shop.add_lines(guest, cart, TEA=1)

    assert full["cart"]["quantity"] == 100_000
    assert [(e["code"], e["path"]) for e in over["errors"]] == [("INVALID_QUANTITY", ["lines", "0", "quantity"])]
    assert await cart_calls.read(guest, cart) == full["cart"]


async def test_nothing_to_add_is_refused(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest)

    payload = await guest.mutate(ADD, c=cart["id"], l=[])

    assert cart_calls.codes(payload) == ["INVALID"]


async def test_more_rows_than_a_cart_has_lines_are_refused(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest)

    payload = await guest.mutate(ADD, c=cart["id"], l=[{"sku": shop.sku("TEA")}] * 501)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("LIMIT_EXCEEDED", ["lines"])]


async def test_discontinued_goods_are_not_added(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest)
    await cart_calls.discontinue(shop, "TEA")

    payload = await shop.add_lines(guest, cart, TEA=1)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("DISCONTINUED", ["lines", "0", "sku"])]


async def test_a_repeated_key_adds_once_and_repeats_the_answer(shop: Shop) -> None:
    guest, key = shop.guest(), shop.code("add")
    cart = await shop.create_cart(guest)

    first, again = [await shop.add_lines(guest, cart, key=key, TEA=1) for _ in range(2)]

    assert first == again
    assert (await cart_calls.read(guest, cart))["quantity"] == 1


async def test_a_key_used_at_once_by_many_adds_once(shop: Shop) -> None:
    guest, key = shop.guest(), shop.code("add")
    cart = await shop.create_cart(guest)

    payloads = await asyncio.gather(*(shop.add_lines(guest, cart, key=key, TEA=1) for _ in range(10)))

    assert [payload["errors"] for payload in payloads] == [[]] * 10
    assert {payload["cart"]["quantity"] for payload in payloads} == {1}
    assert (await cart_calls.read(guest, cart))["version"] == 2


async def test_a_key_with_other_lines_is_refused(shop: Shop) -> None:
    guest, key = shop.guest(), shop.code("add")
    cart = await shop.create_cart(guest)
    await shop.add_lines(guest, cart, key=key, TEA=1)

    other = await shop.add_lines(guest, cart, key=key, TEA=2)

    assert [(e["code"], e["path"]) for e in other["errors"]] == [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]
    assert (await cart_calls.read(guest, cart))["quantity"] == 1


async def test_another_callers_same_key_is_another_key(shop: Shop) -> None:
    phone, till, key = await shop.customer(), await shop.terminal(), shop.code("add")
    cart = await shop.create_cart(phone)

    for client in (phone, till):
        await shop.add_lines(client, cart, key=key, TEA=1)

    assert (await cart_calls.read(phone, cart))["quantity"] == 2


async def test_two_devices_of_one_customer_are_one_caller(shop: Shop) -> None:
    phone, web, key = await shop.customer(), await shop.customer(channel="web"), shop.code("add")
    cart = await shop.create_cart(phone)

    for client in (phone, web):
        await shop.add_lines(client, cart, key=key, TEA=1)

    assert (await cart_calls.read(phone, cart))["quantity"] == 1


async def test_guests_behind_one_address_do_not_share_their_keys(shop: Shop) -> None:
    guest, key = shop.guest(), shop.code("add")
    carts = [await shop.create_cart(guest), await shop.create_cart(guest)]

    payloads = [await shop.add_lines(guest, cart, key=key, TEA=1) for cart in carts]

    assert [payload["cart"]["quantity"] for payload in payloads] == [1, 1]


async def test_a_refused_call_leaves_its_key_free(shop: Shop) -> None:
    guest, key = shop.guest(), shop.code("add")
    cart = await shop.create_cart(guest)

    refused = await shop.add_lines(guest, cart, key=key, UFO=1)
    mended = await shop.add_lines(guest, cart, key=key, TEA=1)

    assert cart_calls.codes(refused) == ["NOT_FOUND"]
    assert (mended["errors"], mended["cart"]["quantity"]) == ([], 1)


async def test_a_key_does_not_open_a_cart_that_does_not_exist(shop: Shop) -> None:
    guest = shop.guest()

    payload = await shop.add_lines(
        guest, {"id": "Q2FydDowMDAwMDAwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDA="}, key="k", TEA=1
    )

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["cartId"])]


async def test_a_key_does_not_make_a_closed_cart_look_changed(shop: Shop) -> None:
    guest, phone, key = shop.guest(), await shop.customer(), shop.code("add")
    cart, live = await shop.create_cart(guest, TEA=1), await shop.create_cart(phone)
    await cart_calls.merge(phone, cart, live)

    payloads = [await shop.add_lines(guest, cart, key=key, POT=1) for _ in range(2)]

    assert [cart_calls.codes(payload) for payload in payloads] == [["CART_NOT_ACTIVE"]] * 2


async def test_a_guests_replay_after_a_customer_adopted_the_cart_finds_none(shop: Shop) -> None:
    guest, phone, key = shop.guest(), await shop.customer(), shop.code("add")
    cart = await shop.create_cart(guest)
    await shop.add_lines(guest, cart, key=key, TEA=1)
    await cart_calls.merge(phone, cart)

    again = await shop.add_lines(guest, cart, key=key, TEA=1)

    assert cart_calls.codes(again) == ["NOT_FOUND"]
    assert (await cart_calls.read(phone, cart))["quantity"] == 1


@pytest.mark.parametrize("key", ["", "   ", "k" * 256, "a\x07b"])
async def test_an_invalid_key_is_refused(shop: Shop, key: str) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest)

    payload = await shop.add_lines(guest, cart, key=key, TEA=1)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["idempotencyKey"])]
    assert (await cart_calls.read(guest, cart))["quantity"] == 0


async def test_a_cart_has_at_most_five_hundred_lines(shop: Shop) -> None:
    names = [f"V{n}" for n in range(501)]
    product = {"handle": shop.code("many"), "name": "Many"}
    variants = [{"sku": shop.sku(name), "name": name} for name in names]
    price = {"amount": {"amount": "1", "currency": "JPY"}}
    await shop.staff.mutate(
        f"mutation ($p: [ProductInput!]!) {{ productsUpsert(products: $p) {{ count {ERRORS} }} }}",
        p=[product | {"variants": variants}],
    )
    await shop.staff.mutate(
        f"mutation ($q: [PriceInput!]!) {{ pricesUpsert(prices: $q) {{ count {ERRORS} }} }}",
        q=[{"sku": shop.sku(name), **price} for name in names],
    )
    guest = shop.guest()
    cart = await shop.create_cart(guest)

    full = await shop.add_lines(guest, cart, **dict.fromkeys(names[:500], 1))
    over = await shop.add_lines(guest, cart, **{names[500]: 1})

    assert (full["errors"], full["cart"]["quantity"]) == ([], 500)
    assert [(e["code"], e["path"]) for e in over["errors"]] == [("LIMIT_EXCEEDED", ["lines"])]
    assert (await cart_calls.read(guest, cart))["quantity"] == 500
