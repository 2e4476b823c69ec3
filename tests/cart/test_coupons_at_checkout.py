"""Coupons and promotions at checkout: the total is the cart's, and no coupon is used above its limits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support import cart_calls, promotion_calls
from tests.support.client import Client
from tests.support.shop import ADDRESS, ERRORS, Shop

ORDER = """query ($n: String!) { order(number: $n) {
    subtotal { amount } discount { amount } shipping { amount } tax { amount } total { amount }
    lines { sku quantity discount { amount } total { amount } }
    taxLines { rate taxable { amount } tax { amount } }
    promotions { code name coupon amount { amount } }
} }"""


async def placed_order(shop: Shop, payload: dict[str, Any]) -> dict[str, Any]:
    """The order of a checkout, as staff see it."""
    assert not payload["errors"], payload
    data = await shop.staff.execute(ORDER, n=payload["order"]["number"])
    return data["order"]  # type: ignore[no-any-return]


async def cart_to_ship_with_coupon(
    shop: Shop, client: Client, code: str | None = None, **quantities: int
) -> dict[str, Any]:
    """A cart to be shipped, with a coupon, as it is offered."""
    cart = await shop.create_cart(client, **quantities)
    await shop.set_fulfillment(client, cart, "SHIP", address=ADDRESS)
    if code is not None:
        payload = await promotion_calls.add_coupon(client, cart, code)
        assert not payload["errors"], payload
    return await promotion_calls.read_offers(client, cart)


async def test_an_order_has_each_lines_discount_and_its_promotions(shop: Shop) -> None:
    await shop.receive(TEA_W1=9, POT_W1=9)
    await promotion_calls.create_promotion(shop, "TEAS", items={"skus": [shop.sku("TEA")]}, priority=1)
    off = {"amount": "1000", "currency": "JPY"}
    welcome = await promotion_calls.create_promotion(
        shop, "WELCOME", effect="AMOUNT_OFF_ORDER", amount=off, needsCoupon=True
    )
    await promotion_calls.create_promotion(shop, "SHIPFREE", effect="FREE_SHIPPING", minUnits=2)
    code = await promotion_calls.create_coupon(shop, "HELLO", welcome, usageLimit=5)
    guest = shop.guest("web")

    cart = await cart_to_ship_with_coupon(shop, guest, code, TEA=2, POT=1)
    order = await placed_order(shop, await promotion_calls.pay(guest, cart))

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
    assert await promotion_calls.use_count(shop, code) == 1


async def test_a_total_of_zero_needs_no_payment(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    gift = await promotion_calls.create_promotion(shop, "GIFT", percent="100", needsCoupon=True)
    code = await promotion_calls.create_coupon(shop, "GIFT", gift, usageLimit=1)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=1)
    found = (await promotion_calls.add_coupon(till, cart, code))["cart"]

    payload = await promotion_calls.pay(till, found)

    assert (payload["order"]["total"]["amount"], payload["order"]["status"]) == ("0", "COMPLETED")
    assert await promotion_calls.use_count(shop, code) == 1


@pytest.mark.parametrize("channel", ["till", "app"])
async def test_of_fifty_checkouts_at_once_ten_use_a_coupon_that_may_be_used_ten_times(shop: Shop, channel: str) -> None:
    await shop.receive(TEA_S1=100)
    code = await promotion_calls.create_coupon(
        shop, "TEN", await promotion_calls.create_promotion(shop, "TEN", needsCoupon=True), usageLimit=10
    )
    client = await shop.terminal("S1") if channel == "till" else shop.guest("app")
    carts = []
    for _ in range(50):
        cart = await shop.create_cart(client, TEA=1)
        if channel == "app":
            await shop.set_fulfillment(client, cart, "SHIP", address=ADDRESS)
        carts.append((await promotion_calls.add_coupon(client, cart, code))["cart"])
    tender = {"method": "CASH", "token": None} if channel == "till" else {}

    payloads = await asyncio.gather(*(promotion_calls.pay(client, cart, "583", **tender) for cart in carts))

    outcomes = [tuple(cart_calls.codes(payload)) for payload in payloads]
    assert {outcome: outcomes.count(outcome) for outcome in set(outcomes)} == {(): 10, ("COUPON_USED_UP",): 40}
    assert await promotion_calls.use_count(shop, code) == 10
    async with shop.hub.database.reading() as session:
        standing = await session.fetchval(
            "SELECT count(*) FROM coupon_redemption r JOIN coupon u ON u.id = r.coupon_id "
            "WHERE u.code = $1 AND r.reversed_at IS NULL",
            code,
        )
    assert standing == 10
    assert (await shop.stock_level("TEA", "S1"))["available"] == 90


async def test_a_cart_can_be_paid_after_removing_a_used_up_coupon(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    code = await promotion_calls.create_coupon(
        shop, "ONE", await promotion_calls.create_promotion(shop, "ONE", needsCoupon=True), usageLimit=1
    )
    first, second = shop.guest("app"), shop.guest("app")
    mine, theirs = (
        await cart_to_ship_with_coupon(shop, first, code, TEA=1),
        await cart_to_ship_with_coupon(shop, second, code, TEA=1),
    )
    assert not (await promotion_calls.pay(first, mine))["errors"]

    late = await promotion_calls.pay(second, theirs)
    seen = await promotion_calls.read_offers(second, theirs)
    dropped = (await promotion_calls.remove_coupon(second, theirs, code))["cart"]
    paid = await promotion_calls.pay(second, dropped)

    assert [(e["code"], e["path"]) for e in late["errors"]] == [("COUPON_USED_UP", ["cartId"])]
    assert promotion_calls.reasons(seen) == {"ONE": "COUPON_USED_UP"}
    assert (seen["total"]["amount"], paid["errors"], paid["order"]["total"]["amount"]) == ("648", [], "648")


async def test_a_coupon_is_limited_per_customer(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    mine = await promotion_calls.create_promotion(shop, "MINE", needsCoupon=True)
    code = await promotion_calls.create_coupon(shop, "MINE", mine, perCustomerLimit=1, usageLimit=9)
    hana, ken = await shop.customer("HANA"), await shop.customer("KEN")

    assert not (await promotion_calls.pay(hana, await cart_to_ship_with_coupon(shop, hana, code, TEA=1)))["errors"]
    again = await cart_to_ship_with_coupon(shop, hana, TEA=1)

    assert cart_calls.codes(await promotion_calls.add_coupon(hana, again, code)) == ["COUPON_INVALID"]
    assert not (await promotion_calls.pay(ken, await cart_to_ship_with_coupon(shop, ken, code, TEA=1)))["errors"]
    assert await promotion_calls.use_count(shop, code) == 2


async def test_a_declined_card_reverses_the_redemption(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    code = await promotion_calls.create_coupon(
        shop, "BACK", await promotion_calls.create_promotion(shop, "BACK", needsCoupon=True), usageLimit=1
    )
    guest = shop.guest("app")
    cart = await cart_to_ship_with_coupon(shop, guest, code, TEA=1)

    declined = await promotion_calls.pay(guest, cart, token="declined")
    after = await promotion_calls.use_count(shop, code)
    paid = await promotion_calls.pay(guest, await promotion_calls.read_offers(guest, cart))

    assert (cart_calls.codes(declined), after) == (["PAYMENT_DECLINED"], 0)
    assert (paid["errors"], paid["order"]["total"]["amount"]) == ([], "583")
    assert await promotion_calls.use_count(shop, code) == 1


async def test_a_sold_out_checkout_does_not_redeem_the_coupon(shop: Shop) -> None:
    code = await promotion_calls.create_coupon(
        shop, "OUT", await promotion_calls.create_promotion(shop, "OUT", needsCoupon=True), usageLimit=1
    )
    guest = shop.guest("app")

    payload = await promotion_calls.pay(guest, await cart_to_ship_with_coupon(shop, guest, code, TEA=1))

    assert (cart_calls.codes(payload), await promotion_calls.use_count(shop, code)) == (["OUT_OF_STOCK"], 0)


async def test_a_cancelled_order_reverses_the_redemption_once(shop: Shop) -> None:
    await shop.receive(TEA_W1=9, POT_W1=9)
    code = await promotion_calls.create_coupon(
        shop, "UNDO", await promotion_calls.create_promotion(shop, "UNDO", needsCoupon=True), usageLimit=1
    )
    guest = shop.guest("app")
    order = (await promotion_calls.pay(guest, await cart_to_ship_with_coupon(shop, guest, code, TEA=2, POT=1)))["order"]
    cancel = f"""mutation ($o: ID!, $l: [OrderLineUnitsInput!]) {{
        orderCancel(orderId: $o, lines: $l) {{ order {{ status refunded {{ amount }} }} {ERRORS} }} }}"""

    part = await shop.staff.mutate(cancel, o=order["id"], l=[{"orderLineId": order["lines"][0]["id"], "quantity": 1}])
    used_then = await promotion_calls.use_count(shop, code)
    whole = await shop.staff.mutate(cancel, o=order["id"])
    again = await shop.staff.mutate(cancel, o=order["id"])

    assert (part["errors"], used_then) == ([], 1)
    assert (whole["errors"], whole["order"]["refunded"]["amount"]) == ([], order["total"]["amount"])
    assert (cart_calls.codes(again), await promotion_calls.use_count(shop, code)) == (["INVALID_STATE"], 0)


async def test_a_cart_that_is_being_paid_still_shows_its_coupon(shop: Shop) -> None:
    await shop.receive(TEA_W1=9)
    code = await promotion_calls.create_coupon(
        shop, "HELD", await promotion_calls.create_promotion(shop, "HELD", needsCoupon=True), usageLimit=1
    )
    guest = shop.guest("app")
    cart = await cart_to_ship_with_coupon(shop, guest, code, TEA=1)

    waiting = await promotion_calls.pay(guest, cart, token="action")
    seen = await promotion_calls.read_offers(guest, cart)

    assert cart_calls.codes(waiting) == ["PAYMENT_ACTION_REQUIRED"]
    assert (promotion_calls.reasons(seen), seen["total"]["amount"]) == ({"HELD": "APPLIED"}, "583")
    assert await promotion_calls.use_count(shop, code) == 1
