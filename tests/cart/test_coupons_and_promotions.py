"""Promotions and coupons of a cart, applied or not, each with its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support import cart_calls, promotion_calls
from tests.support.shop import ADDRESS, Shop
from uriba.core.ids import global_id, new_secret_id

YEN = "JPY"


def yen(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": YEN}


async def test_a_promotion_is_off_the_lines_of_every_channels_cart(shop: Shop) -> None:
    await promotion_calls.create_promotion(shop, "TENTH", items={"skus": [shop.sku("TEA")]})
    phone, till = shop.guest("app"), await shop.terminal("S1")
    cart = await shop.create_cart(phone, TEA=3, POT=1)

    found = await promotion_calls.read_offers(phone, cart)
    carried = await promotion_calls.read_offers(till, await cart_calls.hand_over(phone, cart, till))

    assert [(line["discount"]["amount"], line["total"]["amount"]) for line in found["lines"]] == [
        ("194", "1750"),
        ("0", "3300"),
    ]
    assert [found[name]["amount"] for name in ("subtotal", "discount", "total")] == ["5244", "194", "5050"]
    assert found["promotions"] == [
        {
            "code": shop.code("TENTH"),
            "name": "Tenth",
            "coupon": None,
            "applied": True,
            "amount": {"amount": "194"},
            "reasonCode": "APPLIED",
            "reason": "¥194 off.",
            "excludedBy": None,
        }
    ]
    assert carried["total"]["amount"] == "5050"


async def test_each_way_of_changing_a_cart_shows_what_reading_it_shows(shop: Shop) -> None:
    await promotion_calls.create_promotion(shop, "TEAS", items={"skus": [shop.sku("TEA")]})
    await promotion_calls.create_promotion(shop, "KITCHEN", items={"categories": ["Kitchen"]}, minUnits=3, priority=-1)
    guest = shop.guest("app")

    cart = await shop.create_cart(guest, TEA=1)
    added = (await shop.add_lines(guest, cart, TEA=1, POT=1))["cart"]
    after_adding = await promotion_calls.read_offers(guest, cart)
    updated = (await cart_calls.set_quantities(guest, added, TEA=1))["cart"]
    after_updating = await promotion_calls.read_offers(guest, cart)
    shipped = (await shop.set_fulfillment(guest, cart, "SHIP", address=ADDRESS))["cart"]

    assert cart["total"]["amount"] == "583"
    assert added["total"] == after_adding["total"]
    assert promotion_calls.reasons(after_adding) == {"TEAS": "APPLIED", "KITCHEN": "APPLIED"}
    assert updated["total"] == after_updating["total"] == shipped["total"]
    assert promotion_calls.reasons(after_updating) == {"TEAS": "APPLIED", "KITCHEN": "BELOW_THRESHOLD"}


async def test_a_promotion_can_require_other_goods(shop: Shop) -> None:
    await promotion_calls.create_promotion(
        shop,
        "CUPFREE",
        effect="BUY_X_GET_Y",
        percent="50",
        buyUnits=2,
        getUnits=1,
        items={"skus": [shop.sku("TEA")]},
        rewards={"skus": [shop.sku("CUP")]},
    )
    guest = shop.guest("app")

    found = await promotion_calls.read_offers(guest, await shop.create_cart(guest, TEA=2, CUP=2))

    assert [line["discount"]["amount"] for line in found["lines"]] == ["0", "6791"]


async def test_promotions_of_other_channels_and_times_are_not_listed(shop: Shop) -> None:
    now = datetime.now(UTC)
    await promotion_calls.create_promotion(shop, "WEBONLY", channels=[shop.code("web")])
    await promotion_calls.create_promotion(shop, "SOON", validFrom=(now + timedelta(hours=1)).isoformat())
    await promotion_calls.create_promotion(shop, "PAST", validTo=(now - timedelta(hours=1)).isoformat())
    await promotion_calls.create_promotion(shop, "SECRET", needsCoupon=True)
    await promotion_calls.create_promotion(shop, "GONE", active=False)
    phone, web = shop.guest("app"), shop.guest("web")

    in_app = await promotion_calls.read_offers(phone, await shop.create_cart(phone, TEA=1))
    in_web = await promotion_calls.read_offers(web, await shop.create_cart(web, TEA=1))

    assert promotion_calls.reasons(in_app) == {}
    assert promotion_calls.reasons(in_web) == {"WEBONLY": "APPLIED"}


async def test_a_coupon_is_added_in_any_spelling_and_removed(shop: Shop) -> None:
    code = await promotion_calls.create_coupon(
        shop, "Spring", await promotion_calls.create_promotion(shop, "SPRING", needsCoupon=True)
    )
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, POT=1)

    payload = await promotion_calls.add_coupon(guest, cart, f"  {code.lower()} ")
    wide = await promotion_calls.add_coupon(guest, cart, code.translate({ord(c): ord(c) + 0xFEE0 for c in "SPRING-"}))
    added = (await shop.add_lines(guest, cart, POT=1))["cart"]
    dropped = await promotion_calls.remove_coupon(guest, cart, code.lower())

    assert (payload["errors"], payload["cart"]["coupons"], payload["cart"]["total"]["amount"]) == ([], [code], "2970")
    assert payload["cart"]["version"] == cart["version"] + 1
    assert (wide["errors"], wide["cart"]["coupons"]) == ([], [code])
    assert added["total"]["amount"] == "5940"
    assert (dropped["cart"]["coupons"], dropped["cart"]["total"]["amount"]) == ([], "6600")
    assert cart_calls.codes(await promotion_calls.remove_coupon(guest, cart, code)) == ["NOT_FOUND"]


async def test_a_coupon_without_a_discount_has_a_reason(shop: Shop) -> None:
    least = await promotion_calls.create_promotion(shop, "LEAST", needsCoupon=True, minAmount=yen("5000"))
    web = await promotion_calls.create_promotion(shop, "ONWEB", needsCoupon=True, channels=[shop.code("web")])
    mine = await promotion_calls.create_promotion(shop, "MINE", needsCoupon=True)
    codes = [
        await promotion_calls.create_coupon(shop, "L", least),
        await promotion_calls.create_coupon(shop, "W", web),
        await promotion_calls.create_coupon(shop, "M", mine, perCustomerLimit=1),
    ]
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, POT=1)

    for code in codes:
        found = (await promotion_calls.add_coupon(guest, cart, code))["cart"]

    assert promotion_calls.reasons(found) == {
        "LEAST": "BELOW_THRESHOLD",
        "ONWEB": "NOT_IN_CHANNEL",
        "MINE": "CUSTOMER_NEEDED",
    }
    assert {p["reason"] for p in found["promotions"]} >= {"¥1,700 more of qualifying items is needed."}
    assert found["total"]["amount"] == "3300"


async def test_unknown_over_withdrawn_and_used_up_coupons_are_answered_alike(shop: Shop) -> None:
    now = datetime.now(UTC)
    over = await promotion_calls.create_promotion(
        shop, "OVER", needsCoupon=True, validTo=(now - timedelta(hours=1)).isoformat()
    )
    soon = await promotion_calls.create_promotion(
        shop, "SOON", needsCoupon=True, validFrom=(now + timedelta(hours=1)).isoformat()
    )
    gone = await promotion_calls.create_promotion(shop, "GONE", needsCoupon=True, active=False)
    open_ = await promotion_calls.create_promotion(shop, "OPEN", needsCoupon=True)
    codes = [
        "NO-SUCH",
        "",
        "x" * 100_000,
        *[await promotion_calls.create_coupon(shop, "C", promotion) for promotion in (over,)],
        await promotion_calls.create_coupon(shop, "S", soon),
        await promotion_calls.create_coupon(shop, "G", gone),
        await promotion_calls.create_coupon(shop, "I", open_, active=False),
        await promotion_calls.create_coupon(shop, "U", open_, usageLimit=1),
    ]
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE coupon SET used = 1 WHERE code = $1", codes[-1])
    customer = await shop.customer()
    cart = await shop.create_cart(customer, POT=1)

    payloads = [await promotion_calls.add_coupon(customer, cart, code) for code in codes]

    assert {tuple((e["code"], e["message"], tuple(e["path"])) for e in p["errors"]) for p in payloads} == {
        (("COUPON_INVALID", "This coupon cannot be used.", ("code",)),)
    }
    assert (await promotion_calls.read_offers(customer, cart))["version"] == cart["version"]
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE coupon SET used = 0 WHERE code = $1", codes[-1])


async def test_guessing_is_limited_per_customer_and_apart_from_handoff_codes(shop: Shop) -> None:
    code = await promotion_calls.create_coupon(
        shop, "REAL", await promotion_calls.create_promotion(shop, "REAL", needsCoupon=True)
    )
    guesser, other = await shop.customer("KEN"), await shop.customer("HANA")
    mine, hers = await shop.create_cart(guesser, POT=1), await shop.create_cart(other, POT=1)
    most = shop.hub.settings.handoff_guesses_max

    wrong = [await promotion_calls.add_coupon(guesser, mine, f"WRONG{n}") for n in range(most)]
    late = await promotion_calls.add_coupon(guesser, mine, code)

    assert {cart_calls.codes(payload)[0] for payload in wrong} == {"COUPON_INVALID"}
    assert cart_calls.codes(late) == ["LIMIT_EXCEEDED"]
    assert cart_calls.codes(await promotion_calls.add_coupon(other, hers, code)) == []
    assert cart_calls.codes(await cart_calls.claim(guesser, "ZZZZ9999")) == ["NOT_FOUND"]


async def test_at_a_till_wrong_codes_are_counted_by_cart(shop: Shop) -> None:
    code = await promotion_calls.create_coupon(
        shop, "REAL", await promotion_calls.create_promotion(shop, "REAL", needsCoupon=True)
    )
    till = await shop.terminal("S1")
    one, two = await shop.create_cart(till, POT=1), await shop.create_cart(till, POT=1)
    for n in range(shop.hub.settings.handoff_guesses_max):
        await promotion_calls.add_coupon(till, one, f"WRONG{n}")

    assert cart_calls.codes(await promotion_calls.add_coupon(till, one, code)) == ["LIMIT_EXCEEDED"]
    assert cart_calls.codes(await promotion_calls.add_coupon(till, two, code)) == []


async def test_a_key_adds_a_coupon_once(shop: Shop) -> None:
    code = await promotion_calls.create_coupon(
        shop, "ONCE", await promotion_calls.create_promotion(shop, "ONCE", needsCoupon=True)
    )
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, POT=1)

    first = await promotion_calls.add_coupon(guest, cart, code, key="k")
    await promotion_calls.remove_coupon(guest, cart, code)
    again = await promotion_calls.add_coupon(guest, cart, code, key="k")
    other = await promotion_calls.add_coupon(guest, cart, code + "X", key="k")

    assert (first["cart"]["coupons"], again["cart"]["coupons"]) == ([code], [])
    assert cart_calls.codes(other) == ["IDEMPOTENCY_KEY_REUSED"]


async def test_a_merge_keeps_the_coupons_of_both_carts(shop: Shop) -> None:
    code = await promotion_calls.create_coupon(
        shop, "MERGED", await promotion_calls.create_promotion(shop, "MERGED", needsCoupon=True)
    )
    guest, customer = shop.guest("app"), await shop.customer()
    cart, own = await shop.create_cart(guest, POT=1), await shop.create_cart(customer, POT=1)
    await promotion_calls.add_coupon(guest, cart, code)

    merged = (await cart_calls.merge(customer, cart, own))["cart"]

    assert merged["total"]["amount"] == "5940"
    assert (await promotion_calls.read_offers(customer, own))["coupons"] == [code]


async def test_a_cart_has_at_most_twenty_coupons(shop: Shop) -> None:
    promotion = await promotion_calls.create_promotion(shop, "MANY", needsCoupon=True)
    guest = shop.guest("app")
    cart = await shop.create_cart(guest, POT=1)
    payloads = [
        await promotion_calls.add_coupon(guest, cart, await promotion_calls.create_coupon(shop, f"M{n:02}", promotion))
        for n in range(21)
    ]

    assert [cart_calls.codes(payload) for payload in payloads] == [[]] * 20 + [["LIMIT_EXCEEDED"]]
    found = await promotion_calls.read_offers(guest, cart)
    assert len(found["coupons"]) == 20
    assert [p["reasonCode"] for p in found["promotions"]] == ["APPLIED"] + ["ALREADY_APPLIED"] * 19


@pytest.mark.parametrize("field", ["add", "remove"])
async def test_another_customers_coupons_cannot_be_changed(shop: Shop, field: str) -> None:
    code = await promotion_calls.create_coupon(
        shop, "MINE", await promotion_calls.create_promotion(shop, "MINE", needsCoupon=True)
    )
    owner, other = await shop.customer("HANA"), await shop.customer("KEN")
    cart = await shop.create_cart(owner, POT=1)
    await promotion_calls.add_coupon(owner, cart, code)

    tried = promotion_calls.add_coupon if field == "add" else promotion_calls.remove_coupon
    payloads = [await tried(other, one, code) for one in (cart, {"id": global_id("Cart", new_secret_id())})]

    assert [cart_calls.codes(payload) for payload in payloads] == [["NOT_FOUND"]] * 2
    assert (await promotion_calls.read_offers(owner, cart))["coupons"] == [code]
