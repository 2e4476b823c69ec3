"""cartLinesUpdate: sets quantities, 0 removes, and expectedVersion refuses concurrent changes."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import cart_calls
from tests.support.shop import Shop


async def test_quantities_are_set_and_zero_removes(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=2, POT=1, CUP=1)

    payload = await cart_calls.set_quantities(guest, cart, TEA=5, POT=0)

    assert cart_calls.quantities(payload["cart"]) == {"TEA": 5, "CUP": 1}
    assert payload["cart"]["version"] == cart["version"] + 1
    assert await cart_calls.read(guest, cart) == payload["cart"]


async def test_lines_keep_their_ids(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=2, POT=1)

    payload = await cart_calls.set_quantities(guest, cart, TEA=5)

    assert [line["id"] for line in payload["cart"]["lines"]] == [line["id"] for line in cart["lines"]]


async def test_a_device_that_saw_an_older_cart_is_refused(shop: Shop) -> None:
    phone, web = await shop.customer(), await shop.customer(channel="web")
    cart = await shop.create_cart(phone, TEA=2)
    await cart_calls.set_quantities(web, cart, cart["version"], TEA=3)

    late = await cart_calls.set_quantities(phone, cart, cart["version"], TEA=1)

    assert [(e["code"], e["path"]) for e in late["errors"]] == [("VERSION_CONFLICT", ["expectedVersion"])]
    assert str(cart["version"] + 1) in late["errors"][0]["message"]
    assert cart_calls.quantities(await cart_calls.read(phone, cart)) == {"TEA": 3}


async def test_of_devices_that_set_the_same_version_at_once_one_wins(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)

    payloads = await asyncio.gather(
        *(cart_calls.set_quantities(guest, cart, cart["version"], TEA=n) for n in range(2, 12))
    )

    (won,) = (payload["cart"] for payload in payloads if not payload["errors"])
    assert [cart_calls.codes(p) for p in payloads].count(["VERSION_CONFLICT"]) == 9
    assert await cart_calls.read(guest, cart) == won


async def test_a_handoff_does_not_change_the_version(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    await cart_calls.hand_off(guest, cart)

    payload = await cart_calls.set_quantities(guest, cart, cart["version"], TEA=2)

    assert payload["errors"] == []
    assert payload["cart"]["version"] == cart["version"] + 1


@pytest.mark.parametrize("quantity", [-1, 100_001])
async def test_an_invalid_quantity_refuses_all_rows(shop: Shop, quantity: int) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=2, POT=1)

    payload = await cart_calls.set_quantities(guest, cart, TEA=7, POT=quantity)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("INVALID_QUANTITY", ["lines", "1", "quantity"])]
    assert await cart_calls.read(guest, cart) == cart


async def test_another_carts_line_is_unknown(shop: Shop) -> None:
    guest = shop.guest()
    cart, other = await shop.create_cart(guest, TEA=2), await shop.create_cart(guest, POT=1)

    payload = await cart_calls.set_lines(guest, cart, [{"lineId": other["lines"][0]["id"], "quantity": 9}])

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["lines", "0", "lineId"])]
    assert await cart_calls.read(guest, other) == other


async def test_a_line_that_was_removed_meanwhile_is_unknown(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=2)
    await cart_calls.set_quantities(guest, cart, TEA=0)

    payload = await cart_calls.set_quantities(guest, cart, TEA=1)

    assert cart_calls.codes(payload) == ["NOT_FOUND"]
    assert (await cart_calls.read(guest, cart))["lines"] == []
