"""Journey C: the app, the web shop and two tills check out the last unit at once; an offline till has also sold it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.client import Client
from tests.support.shop import ADDRESS, CART, Shop
from tests.support.tills import conflicts, now, open_till


def codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["errors"]]


async def cart_to_ship(shop: Shop, client: Client) -> dict[str, Any]:
    """Return a cart with the last unit, to be shipped."""
    payload = await shop.set_fulfillment(client, await shop.create_cart(client, POT=1), "SHIP", address=ADDRESS)
    assert not payload["errors"], payload
    return payload["cart"]  # type: ignore[no-any-return]


async def read_cart(client: Client, cart: dict[str, Any]) -> dict[str, Any]:
    data = await client.execute(f"query ($c: ID!) {{ cart(id: $c) {{ {CART} }} }}", c=cart["id"])
    return data["cart"]  # type: ignore[no-any-return]


async def test_one_of_four_gets_the_last_unit_and_refused_tills_learn_which_store_has_more(shop: Shop) -> None:
    await shop.receive(POT_S1=1)
    app, web = await shop.customer("HANA"), await shop.customer("KEN", channel="web")
    tills = [await shop.terminal("S1"), await shop.terminal("S1")]
    online = [(client, await cart_to_ship(shop, client)) for client in (app, web)]
    counter = [(client, await shop.create_cart(client, POT=1)) for client in tills]

    payloads = await asyncio.gather(
        *(shop.check_out(client, cart) for client, cart in online),
        *(shop.check_out(client, cart, method="CASH") for client, cart in counter),
    )

    assert [payload["order"] is not None for payload in payloads].count(True) == 1
    for (client, cart), payload in zip([*online, *counter], payloads, strict=True):
        if payload["order"] is None:
            assert codes(payload) == ["OUT_OF_STOCK"]
            cart_after = await read_cart(client, cart)
            assert (cart_after["status"], cart_after["quantity"]) == ("ACTIVE", 1)
    level = await shop.stock_level("POT", "S1")
    assert (level["available"], level["shortage"]) == (0, 0)

    # The message of a later refusal names the other store that has stock.
    await shop.receive(POT_S2=4)
    for (client, cart), payload in zip(counter, payloads[2:], strict=True):
        if payload["order"] is None:
            again = await shop.check_out(client, cart, method="CASH")
            assert codes(again) == ["OUT_OF_STOCK"]
            assert "Sapporo has 4" in again["errors"][0]["message"]


async def test_the_sale_of_an_offline_till_opens_a_shortage(shop: Shop) -> None:
    await shop.receive(POT_S1=1)
    offline_till, web = await open_till(shop), shop.guest("web")
    sold = offline_till.sale(now(minutes=10), POT=1, price=3300)
    paid = await shop.check_out(web, await cart_to_ship(shop, web), email="hana@example.com")
    assert not paid["errors"], paid

    payload = await offline_till.send(sold)

    assert (payload["results"][0]["status"], payload["shortages"]) == ("APPLIED", 1)
    (case,) = await conflicts(shop, k="SHORTAGE", s="OPEN")
    assert (case["variant"]["sku"], case["quantity"]) == (shop.sku("POT"), 1)
    level = await shop.stock_level("POT", "S1")
    assert (level["onHand"], level["committed"], level["shortage"]) == (0, 1, 1)
