"""Another customer's cart is answered exactly like one that does not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support import cart_calls
from tests.support.client import Client, Refused
from tests.support.shop import ADDRESS, Shop
from uriba.core.ids import global_id, new_secret_id

Change = Callable[[Shop, Client, dict[str, Any]], Awaitable[dict[str, Any]]]
CHANGES: dict[str, Change] = {
    "add": lambda shop, client, cart: shop.add_lines(client, cart, TEA=1),
    "add with a key": lambda shop, client, cart: shop.add_lines(client, cart, key="k", TEA=1),
    "set": lambda shop, client, cart: cart_calls.set_lines(
        client, cart, [{"lineId": "Q2FydExpbmU6MQ==", "quantity": 0}]
    ),
    "hand off": lambda shop, client, cart: cart_calls.hand_off(client, cart),
    "fulfil": lambda shop, client, cart: shop.set_fulfillment(client, cart, "SHIP", address=ADDRESS),
    "check out": lambda shop, client, cart: shop.check_out(client, cart, total="648"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("caller", ["guest", "customer"])
async def test_a_change_of_another_customers_cart_is_answered_as_not_found(
    shop: Shop, change: str, caller: str
) -> None:
    hana = await shop.customer("HANA")
    client = shop.guest() if caller == "guest" else await shop.customer("TARO")
    hers, none = await shop.create_cart(hana, TEA=1), {"id": global_id("Cart", new_secret_id())}

    theft, same = [await CHANGES[change](shop, client, cart) for cart in (hers, none)]

    assert theft == same
    assert [(e["code"], e["path"]) for e in theft["errors"]] == [("NOT_FOUND", ["cartId"])]
    assert await cart_calls.read(hana, hers) == hers


@pytest.mark.parametrize("caller", ["guest", "customer"])
async def test_another_customers_cart_is_not_visible(shop: Shop, caller: str) -> None:
    hers = await shop.create_cart(await shop.customer("HANA"), TEA=1)
    client = shop.guest() if caller == "guest" else await shop.customer("TARO")

    assert await cart_calls.read(client, hers) is None
    assert (await client.execute("query ($i: ID!) { node(id: $i) { id } }", i=hers["id"]))["node"] is None
    with pytest.raises(Refused) as refused:
        async with client.subscribe("subscription ($c: ID!) { cartChanged(cartId: $c) { id } }", c=hers["id"]) as on:
            await on.next()
    assert refused.value.codes == ["NOT_FOUND"]


async def test_a_guests_cart_is_visible_to_all_who_know_its_id(shop: Shop) -> None:
    cart = await shop.create_cart(shop.guest(), TEA=1)

    payload = await shop.add_lines(shop.guest("app"), cart, TEA=1)

    assert (payload["errors"], payload["cart"]["quantity"]) == ([], 2)


@pytest.mark.parametrize("wrong", ["", "x", "Q2FydDo=", "T3JkZXI6MQ==", "Q2FydDoxMjM="])
async def test_an_invalid_cart_id_is_an_unknown_cart(shop: Shop, wrong: str) -> None:
    payload = await shop.add_lines(shop.guest(), {"id": wrong}, TEA=1)

    assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["cartId"])]
    assert await cart_calls.read(shop.guest(), {"id": wrong}) is None
