"""Carts sold by a till that was offline: the sale closes its cart, or both sales are valid with a conflict."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.client import Client
from tests.support.shop import CART, ERRORS, Shop
from tests.support.tills import Till, conflicts, now, on_hand, open_till, orders

CLAIM = f"mutation ($c: String!) {{ cartClaim(code: $c) {{ cart {{ {CART} }} {ERRORS} }} }}"
HANDOFF = f"mutation ($c: ID!) {{ cartHandoff(cartId: $c) {{ code {ERRORS} }} }}"
WATCH = f"subscription ($c: ID!) {{ cartChanged(cartId: $c) {{ {CART} }} }}"


async def claimed(shop: Shop, till: Till, by: Client, **units: int) -> dict[str, Any]:
    """Return a cart that the till has claimed."""
    cart = await shop.create_cart(by, **units)
    code = (await by.mutate(HANDOFF, c=cart["id"]))["code"]
    payload = await till.client.mutate(CLAIM, c=code)
    assert not payload["errors"], payload
    return payload["cart"]  # type: ignore[no-any-return]


def sold(till: Till, cart: dict[str, Any], **units: int) -> dict[str, Any]:
    return {**till.sale(price=648, **units), "cartId": cart["id"]}


async def read(client: Client, cart: dict[str, Any]) -> dict[str, Any]:
    found = await client.execute(f"query ($c: ID!) {{ cart(id: $c) {{ {CART} }} }}", c=cart["id"])
    return found["cart"]  # type: ignore[no-any-return]


async def test_a_sale_closes_its_cart_and_the_customer_is_notified(shop: Shop) -> None:
    till, phone = await open_till(shop), await shop.customer()
    cart = await claimed(shop, till, phone, TEA=2)

    async with phone.subscribe(WATCH, c=cart["id"]) as watch:
        await watch.next()
        assert await till.verdicts(sold(till, cart, TEA=2)) == ["APPLIED"]
        seen = await watch.until(lambda state: state["status"] == "ORDERED")

    (order,) = await orders(shop)
    assert seen["order"]["number"] == order["number"]
    assert (order["customer"]["name"], order["cartChannel"]["code"], order["channel"]["code"]) == (
        "Hana",
        shop.code("app"),
        shop.code("stores"),
    )
    assert (await on_hand(shop), await conflicts(shop, k="DOUBLE_SALE")) == (-2, [])
    refused = await shop.add_lines(phone, cart, TEA=1)
    assert [error["code"] for error in refused["errors"]] != []


async def test_a_sale_of_a_cart_that_was_ordered_online_opens_a_conflict(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    till, phone = await open_till(shop), await shop.customer()
    cart = await claimed(shop, till, phone, TEA=1)
    chosen = await shop.set_fulfillment(phone, cart, "PICKUP", location="S1")
    paid = await shop.check_out(phone, chosen["cart"])
    assert not paid["errors"], paid

    verdicts = await till.verdicts(sold(till, cart, TEA=1))

    assert verdicts == ["APPLIED"]
    assert (await read(phone, cart))["order"]["number"] == paid["order"]["number"]
    (case,) = await conflicts(shop, k="DOUBLE_SALE")
    assert case["order"]["number"] not in (None, paid["order"]["number"])
    level = await shop.stock_level("TEA", "S1")
    assert (level["onHand"], level["committed"]) == (9, 1)


async def test_two_sales_of_one_cart_in_one_batch_are_both_valid(shop: Shop) -> None:
    till = await open_till(shop)
    cart = await claimed(shop, till, await shop.customer(), TEA=1)

    assert await till.verdicts(sold(till, cart, TEA=1), sold(till, cart, TEA=1)) == ["APPLIED"] * 2

    assert len(await orders(shop)) == 2
    assert len(await conflicts(shop, k="DOUBLE_SALE")) == 1


async def test_concurrent_sales_of_one_cart_by_two_tills_are_both_valid(shop: Shop) -> None:
    one, other, phone = await open_till(shop), await open_till(shop), await shop.customer()
    for n in range(1, 6):
        cart = await claimed(shop, one, phone, TEA=1)

        await asyncio.gather(*(till.verdicts(sold(till, cart, TEA=1)) for till in (one, other)))

        assert (await read(phone, cart))["status"] == "ORDERED"
        assert len(await conflicts(shop, k="DOUBLE_SALE")) == n
    assert await on_hand(shop) == -10


async def test_concurrent_sales_of_one_cart_by_a_till_and_online(shop: Shop) -> None:
    await shop.receive(TEA_S1=50)
    till, phone = await open_till(shop), await shop.customer()
    twice = 0
    for _ in range(6):
        cart = await claimed(shop, till, phone, TEA=1)
        chosen = await shop.set_fulfillment(phone, cart, "PICKUP", location="S1")

        paid, verdicts = await asyncio.gather(
            shop.check_out(phone, chosen["cart"]), till.verdicts(sold(till, cart, TEA=1))
        )

        assert verdicts == ["APPLIED"]
        assert (await read(phone, cart))["status"] == "ORDERED"
        twice += not paid["errors"]
    level = await shop.stock_level("TEA", "S1")
    assert (level["onHand"], level["committed"]) == (44, twice)
    assert len(await conflicts(shop, k="DOUBLE_SALE")) == twice


async def test_an_unknown_cart_parks_the_sale(shop: Shop) -> None:
    till, phone = await open_till(shop), await shop.customer()
    cart = await claimed(shop, till, phone, TEA=1)
    elsewhere = cart["id"][:-4] + "AAAA"

    assert await till.verdicts({**sold(till, cart, TEA=1), "cartId": elsewhere}) == ["PARKED"]

    assert ((await read(phone, cart))["status"], await orders(shop)) == ("ACTIVE", [])


async def test_counts_only_the_promised_units_that_a_sale_takes(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=5)
    till, web = await open_till(shop), shop.guest("web")
    chosen = await shop.set_fulfillment(web, await shop.create_cart(web, TEA=3), "PICKUP", location="S1")
    paid = await shop.check_out(web, chosen["cart"], email="hana@example.com")
    assert not paid["errors"], paid

    none = await till.send(till.sale(POT=9, price=3300), till.sale(TEA=2, price=648))
    broken = await till.send(till.sale(TEA=2, price=648))
    again = await till.send(till.stock_fact("COUNT", now(), TEA=0))
    beyond = await till.send(till.sale(TEA=7, price=648))

    assert [p["shortages"] for p in (none, broken, again, beyond)] == [0, 2, 1, 0]
    level = await shop.stock_level("TEA", "S1")
    assert (level["onHand"], level["committed"], level["shortage"]) == (-7, 3, 10)
