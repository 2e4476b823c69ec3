"""What a cart is offered: promotions and coupons, applied or not, each with its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import baskets
import campaigns
import pytest

from shop import ADDRESS, Shop
from uriba.core.ids import global_id, new_secret_id

YEN = "JPY"


def yen(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": YEN}


async def test_a_promotion_is_off_the_lines_of_every_channels_cart(shop: Shop) -> None:
    await campaigns.promote(shop, "TENTH", items={"skus": [shop.sku("TEA")]})
    phone, till = shop.guest("app"), await shop.terminal("S1")
    cart = await shop.cart(phone, TEA=3, POT=1)

    found = await campaigns.look(phone, cart)
    carried = await campaigns.look(till, await baskets.carry(phone, cart, till))

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
    await campaigns.promote(shop, "TEAS", items={"skus": [shop.sku("TEA")]})
    await campaigns.promote(shop, "KITCHEN", items={"categories": ["Kitchen"]}, minUnits=3, priority=-1)
    guest = shop.guest("app")

    cart = await shop.cart(guest, TEA=1)
    added = (await shop.add(guest, cart, TEA=1, POT=1))["cart"]
    after_adding = await campaigns.look(guest, cart)
    updated = (await baskets.set_quantities(guest, added, TEA=1))["cart"]
    after_updating = await campaigns.look(guest, cart)
    shipped = (await shop.fulfil(guest, cart, "SHIP", address=ADDRESS))["cart"]

    assert cart["total"]["amount"] == "583"
    assert added["total"] == after_adding["total"]
    assert campaigns.judged(after_adding) == {"TEAS": "APPLIED", "KITCHEN": "APPLIED"}
    assert updated["total"] == after_updating["total"] == shipped["total"]
    assert campaigns.judged(after_updating) == {"TEAS": "APPLIED", "KITCHEN": "BELOW_THRESHOLD"}


async def test_goods_can_be_got_for_others(shop: Shop) -> None:
    await campaigns.promote(
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

    found = await campaigns.look(guest, await shop.cart(guest, TEA=2, CUP=2))

    assert [line["discount"]["amount"] for line in found["lines"]] == ["0", "6791"]


async def test_promotions_of_other_channels_and_times_are_not_told(shop: Shop) -> None:
    now = datetime.now(UTC)
    await campaigns.promote(shop, "WEBONLY", channels=[shop.code("web")])
    await campaigns.promote(shop, "SOON", validFrom=(now + timedelta(hours=1)).isoformat())
    await campaigns.promote(shop, "PAST", validTo=(now - timedelta(hours=1)).isoformat())
    await campaigns.promote(shop, "SECRET", needsCoupon=True)
    await campaigns.promote(shop, "GONE", active=False)
    phone, web = shop.guest("app"), shop.guest("web")

    in_app = await campaigns.look(phone, await shop.cart(phone, TEA=1))
    in_web = await campaigns.look(web, await shop.cart(web, TEA=1))

    assert campaigns.judged(in_app) == {}
    assert campaigns.judged(in_web) == {"WEBONLY": "APPLIED"}


async def test_a_coupon_is_given_however_it_is_written_and_taken_out(shop: Shop) -> None:
    code = await campaigns.issue(shop, "Spring", await campaigns.promote(shop, "SPRING", needsCoupon=True))
    guest = shop.guest("app")
    cart = await shop.cart(guest, POT=1)

    payload = await campaigns.ask(guest, cart, f"  {code.lower()} ")
    wide = await campaigns.ask(guest, cart, code.translate({ord(c): ord(c) + 0xFEE0 for c in "SPRING-"}))
    added = (await shop.add(guest, cart, POT=1))["cart"]
    dropped = await campaigns.drop(guest, cart, code.lower())

    assert (payload["errors"], payload["cart"]["coupons"], payload["cart"]["total"]["amount"]) == ([], [code], "2970")
    assert payload["cart"]["version"] == cart["version"] + 1
    assert (wide["errors"], wide["cart"]["coupons"]) == ([], [code])
    assert added["total"]["amount"] == "5940"
    assert (dropped["cart"]["coupons"], dropped["cart"]["total"]["amount"]) == ([], "6600")
    assert baskets.codes(await campaigns.drop(guest, cart, code)) == ["NOT_FOUND"]


async def test_a_coupon_that_takes_nothing_off_yet_says_why(shop: Shop) -> None:
    least = await campaigns.promote(shop, "LEAST", needsCoupon=True, minAmount=yen("5000"))
    web = await campaigns.promote(shop, "ONWEB", needsCoupon=True, channels=[shop.code("web")])
    mine = await campaigns.promote(shop, "MINE", needsCoupon=True)
    codes = [
        await campaigns.issue(shop, "L", least),
        await campaigns.issue(shop, "W", web),
        await campaigns.issue(shop, "M", mine, perCustomerLimit=1),
    ]
    guest = shop.guest("app")
    cart = await shop.cart(guest, POT=1)

    for code in codes:
        found = (await campaigns.ask(guest, cart, code))["cart"]

    assert campaigns.judged(found) == {
        "LEAST": "BELOW_THRESHOLD",
        "ONWEB": "NOT_IN_CHANNEL",
        "MINE": "CUSTOMER_NEEDED",
    }
    assert {p["reason"] for p in found["promotions"]} >= {"¥1,700 more of qualifying items is needed."}
    assert found["total"]["amount"] == "3300"


async def test_unknown_over_withdrawn_and_used_up_coupons_are_answered_alike(shop: Shop) -> None:
    now = datetime.now(UTC)
    over = await campaigns.promote(shop, "OVER", needsCoupon=True, validTo=(now - timedelta(hours=1)).isoformat())
    soon = await campaigns.promote(shop, "SOON", needsCoupon=True, validFrom=(now + timedelta(hours=1)).isoformat())
    gone = await campaigns.promote(shop, "GONE", needsCoupon=True, active=False)
    open_ = await campaigns.promote(shop, "OPEN", needsCoupon=True)
    codes = [
        "NO-SUCH",
        "",
        "x" * 100_000,
        *[await campaigns.issue(shop, "C", promotion) for promotion in (over,)],
        await campaigns.issue(shop, "S", soon),
        await campaigns.issue(shop, "G", gone),
        await campaigns.issue(shop, "I", open_, active=False),
        await campaigns.issue(shop, "U", open_, usageLimit=1),
    ]
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE coupon SET used = 1 WHERE code = $1", codes[-1])
    customer = await shop.customer()
    cart = await shop.cart(customer, POT=1)

    payloads = [await campaigns.ask(customer, cart, code) for code in codes]

    assert {tuple((e["code"], e["message"], tuple(e["path"])) for e in p["errors"]) for p in payloads} == {
        (("COUPON_INVALID", "This coupon cannot be used.", ("code",)),)
    }
    assert (await campaigns.look(customer, cart))["version"] == cart["version"]
    async with shop.hub.database.transaction() as session:
        await session.run("UPDATE coupon SET used = 0 WHERE code = $1", codes[-1])


async def test_guessing_is_limited_per_customer_and_apart_from_handoff_codes(shop: Shop) -> None:
    code = await campaigns.issue(shop, "REAL", await campaigns.promote(shop, "REAL", needsCoupon=True))
    guesser, other = await shop.customer("KEN"), await shop.customer("HANA")
    mine, hers = await shop.cart(guesser, POT=1), await shop.cart(other, POT=1)
    most = shop.hub.settings.handoff_guesses_max

    wrong = [await campaigns.ask(guesser, mine, f"WRONG{n}") for n in range(most)]
    late = await campaigns.ask(guesser, mine, code)

    assert {baskets.codes(payload)[0] for payload in wrong} == {"COUPON_INVALID"}
    assert baskets.codes(late) == ["LIMIT_EXCEEDED"]
    assert baskets.codes(await campaigns.ask(other, hers, code)) == []
    assert baskets.codes(await baskets.claim(guesser, "ZZZZ9999")) == ["NOT_FOUND"]


async def test_at_a_till_wrong_codes_are_counted_by_cart(shop: Shop) -> None:
    code = await campaigns.issue(shop, "REAL", await campaigns.promote(shop, "REAL", needsCoupon=True))
    till = await shop.terminal("S1")
    one, two = await shop.cart(till, POT=1), await shop.cart(till, POT=1)
    for n in range(shop.hub.settings.handoff_guesses_max):
        await campaigns.ask(till, one, f"WRONG{n}")

    assert baskets.codes(await campaigns.ask(till, one, code)) == ["LIMIT_EXCEEDED"]
    assert baskets.codes(await campaigns.ask(till, two, code)) == []


async def test_a_key_adds_a_coupon_once(shop: Shop) -> None:
    code = await campaigns.issue(shop, "ONCE", await campaigns.promote(shop, "ONCE", needsCoupon=True))
    guest = shop.guest("app")
    cart = await shop.cart(guest, POT=1)

    first = await campaigns.ask(guest, cart, code, key="k")
    await campaigns.drop(guest, cart, code)
    again = await campaigns.ask(guest, cart, code, key="k")
    other = await campaigns.ask(guest, cart, code + "X", key="k")

    assert (first["cart"]["coupons"], again["cart"]["coupons"]) == ([code], [])
    assert baskets.codes(other) == ["IDEMPOTENCY_KEY_REUSED"]


async def test_coupons_come_with_the_lines_of_a_cart_that_is_merged(shop: Shop) -> None:
    code = await campaigns.issue(shop, "MERGED", await campaigns.promote(shop, "MERGED", needsCoupon=True))
    guest, customer = shop.guest("app"), await shop.customer()
    cart, own = await shop.cart(guest, POT=1), await shop.cart(customer, POT=1)
    await campaigns.ask(guest, cart, code)

    merged = (await baskets.merge(customer, cart, own))["cart"]

    assert merged["total"]["amount"] == "5940"
    assert (await campaigns.look(customer, own))["coupons"] == [code]


async def test_a_cart_has_at_most_twenty_coupons(shop: Shop) -> None:
    promotion = await campaigns.promote(shop, "MANY", needsCoupon=True)
    guest = shop.guest("app")
    cart = await shop.cart(guest, POT=1)
    payloads = [await campaigns.ask(guest, cart, await campaigns.issue(shop, f"M{n:02}", promotion)) for n in range(21)]

    assert [baskets.codes(payload) for payload in payloads] == [[]] * 20 + [["LIMIT_EXCEEDED"]]
    found = await campaigns.look(guest, cart)
    assert len(found["coupons"]) == 20
    assert [p["reasonCode"] for p in found["promotions"]] == ["APPLIED"] + ["ALREADY_APPLIED"] * 19


@pytest.mark.parametrize("field", ["add", "remove"])
async def test_somebody_elses_cart_gets_no_coupon_and_loses_none(shop: Shop, field: str) -> None:
    code = await campaigns.issue(shop, "MINE", await campaigns.promote(shop, "MINE", needsCoupon=True))
    owner, other = await shop.customer("HANA"), await shop.customer("KEN")
    cart = await shop.cart(owner, POT=1)
    await campaigns.ask(owner, cart, code)

    tried = campaigns.ask if field == "add" else campaigns.drop
    payloads = [await tried(other, one, code) for one in (cart, {"id": global_id("Cart", new_secret_id())})]

    assert [baskets.codes(payload) for payload in payloads] == [["NOT_FOUND"]] * 2
    assert (await campaigns.look(owner, cart))["coupons"] == [code]
