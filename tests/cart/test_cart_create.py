"""cartCreate of guests, customers and tills, and the channel of the new cart."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import cart_calls
from tests.support.shop import Shop


async def test_a_guests_cart_begins_active_in_the_channel_of_the_header(shop: Shop) -> None:
    guest = shop.guest("web")

    cart = await shop.create_cart(guest, TEA=2, POT=1)

    assert (cart["status"], cart["channel"]["code"], cart["customer"]) == ("ACTIVE", shop.code("web"), None)
    assert (cart["quantity"], cart_calls.quantities(cart)) == (3, {"TEA": 2, "POT": 1})
    assert cart["lastChangedBy"] == shop.code("web")
    assert await cart_calls.read(guest, cart) == cart


async def test_two_guests_have_two_carts(shop: Shop) -> None:
    guest = shop.guest()

    first, second = await shop.create_cart(guest, TEA=1), await shop.create_cart(guest, TEA=1)

    assert first["id"] != second["id"]
    assert (first["quantity"], second["quantity"]) == (1, 1)


async def test_a_cart_may_begin_empty(shop: Shop) -> None:
    payload = await cart_calls.create(shop.guest())

    assert payload["errors"] == []
    assert (payload["cart"]["lines"], payload["cart"]["total"]["amount"]) == ([], "0")


async def test_a_customer_gets_the_active_cart_back_with_lines_added(shop: Shop) -> None:
    phone, web = await shop.customer(), await shop.customer(channel="web")
    cart = await shop.create_cart(phone, TEA=2)

    again = await shop.create_cart(web, TEA=1, POT=1)

    assert again["id"] == cart["id"]
    assert cart_calls.quantities(again) == {"TEA": 3, "POT": 1}
    assert (again["channel"]["code"], again["lastChangedBy"]) == (shop.code("app"), shop.code("web"))


async def test_a_customer_who_opens_the_shop_without_lines_finds_the_cart_as_it_was(shop: Shop) -> None:
    phone = await shop.customer()
    cart = await shop.create_cart(phone, TEA=2)

    again = await cart_calls.create(phone)

    assert again["cart"] == cart


async def test_a_customer_who_opens_two_devices_at_once_has_one_cart(shop: Shop) -> None:
    devices = [await shop.customer(), await shop.customer(channel="web")]

    carts = await asyncio.gather(*(shop.create_cart(device, TEA=1) for device in devices * 5))

    assert len({cart["id"] for cart in carts}) == 1
    assert (await cart_calls.create(devices[0]))["cart"]["quantity"] == 10


async def test_a_tills_own_cart_is_carried_out_at_the_stores_own_price(shop: Shop) -> None:
    await cart_calls.reprice(shop, "TEA", "600", channel="stores", location="S1")
    till, elsewhere = await shop.terminal("S1"), await shop.terminal("S2")

    cart, other = await shop.create_cart(till, TEA=1), await shop.create_cart(elsewhere, TEA=1)

    line = cart_calls.line(cart, "TEA")
    assert (line["method"], line["location"]["code"]) == ("CARRY_OUT", shop.code("S1"))
    assert (line["unitPrice"]["amount"], cart["channel"]["code"]) == ("600", shop.code("stores"))
    assert cart_calls.line(other, "TEA")["unitPrice"]["amount"] == "648"


async def test_a_stores_own_price_is_for_its_tills_only(shop: Shop) -> None:
    await cart_calls.reprice(shop, "TEA", "600", channel="web", location="S1")

    cart = await shop.create_cart(shop.guest("web"), TEA=1)

    assert cart_calls.line(cart, "TEA")["unitPrice"]["amount"] == "648"


@pytest.mark.parametrize(
    ("header", "argument", "expected"),
    [("web", None, "web"), (None, "app", "app"), ("web", "app", "app")],
)
async def test_a_guests_channel_is_the_argument_else_the_header(
    shop: Shop, header: str | None, argument: str | None, expected: str
) -> None:
    guest = shop.guest(header)

    cart = await shop.create_cart(guest, argument, TEA=1)

    assert cart["channel"]["code"] == shop.code(expected)


async def test_a_keys_channel_takes_precedence_over_the_header(shop: Shop) -> None:
    customer = await shop.customer(channel="app")
    customer.http.headers["uriba-channel"] = shop.code("web")

    cart = await shop.create_cart(customer, TEA=1)

    assert (cart["channel"]["code"], cart["lastChangedBy"]) == (shop.code("app"), shop.code("app"))


async def test_a_customer_may_name_another_channel(shop: Shop) -> None:
    customer = await shop.customer(channel="app")

    cart = await shop.create_cart(customer, "web", TEA=1)

    assert (cart["channel"]["code"], cart["lastChangedBy"]) == (shop.code("web"), shop.code("app"))


@pytest.mark.parametrize("caller", ["till", "app"])
async def test_a_key_that_sells_in_its_own_channel_may_not_name_another(shop: Shop, caller: str) -> None:
    client = await shop.terminal() if caller == "till" else await shop.app("app")

    payload = await cart_calls.create(client, channel=shop.code("web"))

    assert payload["cart"] is None
    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["channel"])]


async def test_a_cart_without_any_channel_is_refused(shop: Shop) -> None:
    payload = await cart_calls.create(shop.guest(None))

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID", ["channel"])]


@pytest.mark.parametrize("by", ["argument", "header"])
async def test_a_cart_in_an_unknown_channel_is_refused(shop: Shop, by: str) -> None:
    guest = shop.guest("moon" if by == "header" else "web")

    payload = await cart_calls.create(guest, **({"channel": shop.code("moon")} if by == "argument" else {}))

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["channel"])]


async def test_a_line_that_is_refused_leaves_no_cart_behind(shop: Shop) -> None:
    phone = await shop.customer()

    payload = await cart_calls.create(phone, lines=[{"sku": shop.sku("TEA")}, {"sku": shop.sku("UFO")}])

    assert payload["cart"] is None
    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["lines", "1", "sku"])]
    assert (await phone.execute("{ me { carts { id } } }"))["me"]["carts"] == []


async def test_the_same_key_makes_one_cart_with_its_lines_once(shop: Shop) -> None:
    guest, given = shop.guest(), {"lines": [{"sku": shop.sku("TEA"), "quantity": 2}]}

    payloads = [await cart_calls.create(guest, **given, idempotencyKey=shop.code("new")) for _ in range(2)]

    assert payloads[0] == payloads[1]
    assert payloads[1]["cart"]["quantity"] == 2


async def test_the_same_key_at_once_makes_one_cart_of_a_customer(shop: Shop) -> None:
    phone, given = await shop.customer(), {"lines": [{"sku": shop.sku("TEA"), "quantity": 2}]}

    payloads = await asyncio.gather(
        *(cart_calls.create(phone, **given, idempotencyKey=shop.code("new")) for _ in range(8))
    )

    assert {payload["cart"]["id"] for payload in payloads} == {payloads[0]["cart"]["id"]}
    assert {payload["cart"]["quantity"] for payload in payloads} == {2}


async def test_the_same_key_with_other_lines_is_refused(shop: Shop) -> None:
    phone, key = await shop.customer(), shop.code("new")
    await cart_calls.create(phone, lines=[{"sku": shop.sku("TEA")}], idempotencyKey=key)

    other = await cart_calls.create(phone, lines=[{"sku": shop.sku("POT")}], idempotencyKey=key)

    assert cart_calls.codes(other) == ["IDEMPOTENCY_KEY_REUSED"]
    assert (await cart_calls.create(phone))["cart"]["quantity"] == 1
