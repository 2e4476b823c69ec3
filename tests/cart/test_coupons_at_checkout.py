"""Coupons and promotions at the checkout: what was shown is what is paid, and no coupon is used more often than it may be."""

from __future__ import annotations

import asyncio
from typing import Any

import baskets
import campaigns
import pytest

from client import Client
from shop import ADDRESS, ERRORS, Shop

ORDER = """query ($n: String!) { order(number: $n) {
    subtotal { amount } discount { amount } shipping { amount } tax { amount } total { amount }
    lines { sku quantity discount { amount } total { amount } }
    taxLines { rate taxable { amount } tax { amount } }
    promotions { code name coupon amount { amount } }
} }"""


async def placed(shop: Shop, payload: dict[str, Any]) -> dict[str, Any]:
    """The order of a checkout, as staff see it."""
    assert not payload["errors"], payload
    data = await shop.staff.run(ORDER, n=payload["order"]["number"])
    return data["order"]  # type: ignore[no-any-return]


async def shipped(shop: Shop, client: Client, code: str | None = None, **quantities: int) -> dict[str, Any]:
    """A cart to be shipped, with a coupon, as it is offered."""
    cart = await shop.cart(client, **quantities)
    await shop.fulfil(client, cart, "SHIP", address=ADDRESS)
    if code is not None:
        payload = await campaigns.ask(client, cart, code)
        assert not payload["errors"], payload
    return await campaigns.look(client, cart)


async def test_an_order_has_each_lines_discount_and_what_took_it_off(shop: Shop) -> None:
    await shop.receive(TEA_W1=9, POT_W1=9)
    await campaigns.promote(shop, "TEAS", items={"skus": [shop.sku("TEA")]}, priority=1)
    off = {"amount": "1000", "currency": "JPY"}
    welcome = await campaigns.promote(shop, "WELCOME", effect="AMOUNT_OFF_ORDER", amount=off, needsCoupon=True)
    await campaigns.promote(shop, "SHIPFREE", effect="FREE_SHIPPING", minUnits=2)
    code = await campaigns.issue(shop, "HELLO", welcome, usageLimit=5)
    guest = shop.guest("web")

    cart = await shipped(shop, guest, code, TEA=2, POT=1)
    order = await placed(shop, await campaigns.pay(guest, cart))

    assert cart["total"]["amount"] == order["total"]["amount"] == "3466"
    assert [order[name]["amount"] for name in ("subtotal", "discount", "shipping")] == ["4596", "1130", "0"]
    assert [(line["discount"]["amount"], line["total"]["amount"]) for line in order["lines"]] == [
        ("391", "905"),
        ("739", "2561"),
    ]
    assert [(t["rate"], t["taxable"]["amount"], t["tax"]["amount"]) for t in order["taxLines"]] == [
        ("0.1", "2328", "233"),
        ("0.08", "838", "67"),
    ]
    assert [(p["name"], p["coupon"], p["amount"]["amount"]) for p in order["promotions"]] == [
        ("Teas", None, "130"),
        ("Shipfree", None, "0"),
        ("Welcome", code, "1000"),
    ]
    assert await campaigns.used(shop, code) == 1


async def test_a_total_of_nothing_is_paid_with_nothing(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    gift = await campaigns.promote(shop, "GIFT", percent="100", needsCoupon=True)
    code = await campaigns.issue(shop, "GIFT", gift, usageLimit=1)
    till = await shop.terminal("S1")
    cart = await shop.cart(till, TEA=1)
    found = (await campaigns.ask(till, cart, code))["cart"]

    payload = await campaigns.pay(till, found)

    assert (payload["order"]["total"]["amount"], payload["order"]["status"]) == ("0", "COMPLETED")
    assert await campaigns.used(shop, code) == 1


@pytest.mark.parametrize("channel", ["till", "app"])
async def test_of_fifty_checkouts_at_once_ten_use_a_coupon_that_may_be_used_ten_times(shop: Shop, channel: str) -> None:
    await shop.receive(TEA_S1=100)
    code = await campaigns.issue(shop, "TEN", await campaigns.promote(shop, "TEN", needsCoupon=True), usageLimit=10)
    client = await shop.terminal("S1") if channel == "till" else shop.guest("app")
    carts = []
    for _ in range(50):
        cart = await shop.cart(client, TEA=1)
        if channel == "app":
            await shop.fulfil(client, cart, "SHIP", address=ADDRESS)
        carts.append((await campaigns.ask(client, cart, code))["cart"])
    tender = {"method": "CASH", "token": None} if channel == "till" else {}

    payloads = await asyncio.gather(*(campaigns.pay(client, cart, "583", **tender) for cart in carts))

    outcomes = [tuple(baskets.codes(payload)) for payload in payloads]
    assert {outcome: outcomes.count(outcome) for outcome in set(outcomes)} == {(): 10, ("COUPON_USED_UP",): 40}
    assert await campaigns.used(shop, code) == 10
    async with shop.hub.database.reading() as session:
        standing = await session.fetchval(
            "SELECT count(*) FROM coupon_redemption r JOIN coupon u ON u.id = r.coupon_id "
            "WHERE u.code = $1 AND r.reversed_at IS NULL",
            code,
        )
    assert standing == 10
    assert (await shop.level("TEA", "S1"))["available"] == 90


async def test_a_cart_whose_coupon_was_used_up_is_paid_without_it(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    code = await campaigns.issue(shop, "ONE", await campaigns.promote(shop, "ONE", needsCoupon=True), usageLimit=1)
    first, second = shop.guest("app"), shop.guest("app")
    mine, theirs = await shipped(shop, first, code, TEA=1), await shipped(shop, second, code, TEA=1)
    assert not (await campaigns.pay(first, mine))["errors"]

    late = await campaigns.pay(second, theirs)
    seen = await campaigns.look(second, theirs)
    dropped = (await campaigns.drop(second, theirs, code))["cart"]
    paid = await campaigns.pay(second, dropped)

    assert [(e["code"], e["path"]) for e in late["errors"]] == [("COUPON_USED_UP", ["cartId"])]
    assert campaigns.judged(seen) == {"ONE": "COUPON_USED_UP"}
    assert (seen["total"]["amount"], paid["errors"], paid["order"]["total"]["amount"]) == ("648", [], "648")


async def test_one_customer_uses_a_coupon_as_often_as_one_customer_may(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    mine = await campaigns.promote(shop, "MINE", needsCoupon=True)
    code = await campaigns.issue(shop, "MINE", mine, perCustomerLimit=1, usageLimit=9)
    hana, ken = await shop.customer("HANA"), await shop.customer("KEN")

    assert not (await campaigns.pay(hana, await shipped(shop, hana, code, TEA=1)))["errors"]
    again = await shipped(shop, hana, TEA=1)

    assert baskets.codes(await campaigns.ask(hana, again, code)) == ["COUPON_INVALID"]
    assert not (await campaigns.pay(ken, await shipped(shop, ken, code, TEA=1)))["errors"]
    assert await campaigns.used(shop, code) == 2


async def test_a_declined_card_gives_the_coupon_back(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    code = await campaigns.issue(shop, "BACK", await campaigns.promote(shop, "BACK", needsCoupon=True), usageLimit=1)
    guest = shop.guest("app")
    cart = await shipped(shop, guest, code, TEA=1)

    declined = await campaigns.pay(guest, cart, token="declined")
    after = await campaigns.used(shop, code)
    paid = await campaigns.pay(guest, await campaigns.look(guest, cart))

    assert (baskets.codes(declined), after) == (["PAYMENT_DECLINED"], 0)
    assert (paid["errors"], paid["order"]["total"]["amount"]) == ([], "583")
    assert await campaigns.used(shop, code) == 1


async def test_goods_that_are_sold_out_keep_the_coupon_unused(shop: Shop) -> None:
    code = await campaigns.issue(shop, "OUT", await campaigns.promote(shop, "OUT", needsCoupon=True), usageLimit=1)
    guest = shop.guest("app")

    payload = await campaigns.pay(guest, await shipped(shop, guest, code, TEA=1))

    assert (baskets.codes(payload), await campaigns.used(shop, code)) == (["OUT_OF_STOCK"], 0)


async def test_an_order_that_is_cancelled_whole_gives_the_coupon_back_once(shop: Shop) -> None:
    await shop.receive(TEA_W1=9, POT_W1=9)
    code = await campaigns.issue(shop, "UNDO", await campaigns.promote(shop, "UNDO", needsCoupon=True), usageLimit=1)
    guest = shop.guest("app")
    order = (await campaigns.pay(guest, await shipped(shop, guest, code, TEA=2, POT=1)))["order"]
    cancel = f"""mutation ($o: ID!, $l: [OrderLineUnitsInput!]) {{
        orderCancel(orderId: $o, lines: $l) {{ order {{ status refunded {{ amount }} }} {ERRORS} }} }}"""

    part = await shop.staff.do(cancel, o=order["id"], l=[{"orderLineId": order["lines"][0]["id"], "quantity": 1}])
    used_then = await campaigns.used(shop, code)
    whole = await shop.staff.do(cancel, o=order["id"])
    again = await shop.staff.do(cancel, o=order["id"])

    assert (part["errors"], used_then) == ([], 1)
    assert (whole["errors"], whole["order"]["refunded"]["amount"]) == ([], order["total"]["amount"])
    assert (baskets.codes(again), await campaigns.used(shop, code)) == (["INVALID_STATE"], 0)


async def test_a_cart_that_is_being_paid_still_shows_its_coupon(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    code = await campaigns.issue(shop, "HELD", await campaigns.promote(shop, "HELD", needsCoupon=True), usageLimit=1)
    guest = shop.guest("app")
    cart = await shipped(shop, guest, code, TEA=1)

    waiting = await campaigns.pay(guest, cart, token="action")
    seen = await campaigns.look(guest, cart)

    assert baskets.codes(waiting) == ["PAYMENT_ACTION_REQUIRED"]
    assert (campaigns.judged(seen), seen["total"]["amount"]) == ({"HELD": "APPLIED"}, "583")
    assert await campaigns.used(shop, code) == 1
