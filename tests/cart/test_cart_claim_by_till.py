"""A till claims a cart: lines that its location can serve are carried out, and prices are the till's."""

from __future__ import annotations

from tests.support import cart_calls
from tests.support.shop import ADDRESS, ERRORS, Shop


async def test_lines_in_stock_at_the_till_are_carried_out_and_the_others_shipped(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, POT_S1=1, POT_W1=5, CUP_S2=9)
    guest, till = shop.guest(), await shop.terminal()
    cart = await shop.create_cart(guest, TEA=2, POT=2, CUP=1)

    claimed = await cart_calls.hand_over(guest, cart, till)

    assert cart_calls.methods(claimed) == {"TEA": "CARRY_OUT", "POT": "SHIP", "CUP": "SHIP"}
    assert cart_calls.line(claimed, "TEA")["location"]["code"] == shop.code("S1")
    assert cart_calls.line(claimed, "POT")["location"] is None
    assert {
        way for line in claimed["lines"] for way in cart_calls.warnings(claimed, line["variant"]["sku"][:3])
    } == set()


async def test_the_tills_stock_includes_safety_stock(shop: Shop) -> None:
    await cart_calls.set_safety_stock(shop, "TEA", "S1", on_hand=2, safety_stock=2)
    guest = shop.guest()

    claimed = await cart_calls.hand_over(guest, await shop.create_cart(guest, TEA=2), await shop.terminal("S1"))

    assert cart_calls.methods(claimed) == {"TEA": "CARRY_OUT"}
    assert cart_calls.warnings(claimed, "TEA") == []


async def test_the_tills_stock_excludes_promised_units(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    other = await shop.create_cart(guest, TEA=1)
    chosen = await shop.set_fulfillment(guest, other, "PICKUP", location="S1")
    assert not (await shop.check_out(guest, chosen["cart"]))["errors"]

    claimed = await cart_calls.hand_over(guest, await shop.create_cart(guest, TEA=2), till)

    assert cart_calls.methods(claimed) == {"TEA": "SHIP"}


async def test_lines_of_one_variant_share_the_tills_stock(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, TEA_W1=9)
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=2)
    await shop.set_fulfillment(guest, cart, "SHIP")
    await shop.set_fulfillment(guest, cart, "PICKUP", location="S2", lineIds=[cart["lines"][0]["id"]])
    await shop.add_lines(guest, cart, TEA=1)

    claimed = await cart_calls.hand_over(guest, cart, await shop.terminal("S1"))

    assert sorted((line["method"], line["quantity"]) for line in claimed["lines"]) == [("PICKUP", 2), ("SHIP", 1)]


async def test_lines_that_become_the_same_are_one_line(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=2)
    await shop.set_fulfillment(guest, cart, "PICKUP", location="S2")
    await shop.add_lines(guest, cart, TEA=1)

    claimed = await cart_calls.hand_over(guest, cart, await shop.terminal("S1"))

    assert [(line["method"], line["quantity"]) for line in claimed["lines"]] == [("CARRY_OUT", 3)]


async def test_a_claimed_cart_has_the_tills_prices_and_warns_of_changes(shop: Shop) -> None:
    await cart_calls.reprice(shop, "TEA", "600", channel="stores", location="S1")
    guest, till = shop.guest("web"), await shop.terminal("S1")
    cart = await shop.create_cart(guest, TEA=2, POT=1)
    assert (cart["subtotal"]["amount"], cart["shipping"]["amount"]) == ("4596", "500")

    claimed = await cart_calls.hand_over(guest, cart, till)

    assert (claimed["subtotal"]["amount"], claimed["shipping"]["amount"]) == ("4500", "0")
    assert cart_calls.line(claimed, "TEA")["unitPrice"]["amount"] == "600"
    warnings = {warning["code"]: warning["message"] for warning in cart_calls.line(claimed, "TEA")["warnings"]}
    assert "648" in warnings["PRICE_CHANGED"]
    assert "PRICE_CHANGED" not in cart_calls.warnings(claimed, "POT")
    assert claimed["channel"]["code"] == shop.code("web")


async def test_a_phone_adds_at_the_tills_prices_after_the_claim(shop: Shop) -> None:
    await cart_calls.reprice(shop, "TEA", "600", channel="stores", location="S1")
    phone, till = await shop.customer(), await shop.terminal("S1")
    cart = await shop.create_cart(phone, POT=1)
    await cart_calls.hand_over(phone, cart, till)

    payload = await shop.add_lines(phone, cart, TEA=1)

    tea = cart_calls.line(payload["cart"], "TEA")
    assert (tea["unitPrice"]["amount"], tea["method"]) == ("600", "CARRY_OUT")


async def test_goods_that_the_stores_do_not_sell_stay_in_the_cart_with_a_warning(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    async with shop.hub.database.transaction() as session:
        await session.run(
            "DELETE FROM price USING variant v, channel c WHERE v.id = variant_id AND c.id = channel_id "
            "AND v.sku = $1 AND c.code = $2",
            shop.sku("TEA"),
            shop.code("stores"),
        )
    guest = shop.guest()

    claimed = await cart_calls.hand_over(guest, await shop.create_cart(guest, TEA=1, POT=1), await shop.terminal())

    assert "DISCONTINUED" in cart_calls.warnings(claimed, "TEA")
    assert cart_calls.line(claimed, "TEA")["unitPrice"]["amount"] == "648"


async def test_a_till_of_another_currency_cannot_claim_and_the_code_stays_valid(shop: Shop) -> None:
    channel = {
        "code": shop.code("abroad"),
        "name": "Abroad",
        "kind": "WEB",
        "currency": "USD",
        "locations": [shop.code("W1")],
        "taxRates": [],
    }
    await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[channel]
    )
    guest = shop.guest("abroad")
    cart = await shop.create_cart(guest)
    code = (await cart_calls.hand_off(guest, cart))["code"]

    refused = await cart_calls.claim(await shop.terminal(), code)
    taken = await cart_calls.claim(await shop.customer(), code)

    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("CURRENCY_MISMATCH", ["code"])]
    assert taken["cart"]["id"] == cart["id"]


async def test_a_till_without_a_store_channel_cannot_claim(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    await shop.staff.mutate(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}",
        c=[
            {
                "code": shop.code("stores"),
                "name": "Stores",
                "kind": "STORE",
                "currency": "JPY",
                "locations": [shop.code("S2")],
                "taxRates": [{"taxClass": "standard", "rate": "0.1"}],
            }
        ],
    )

    payload = await cart_calls.claim(await shop.terminal("S1"), (await cart_calls.hand_off(guest, cart))["code"])

    assert cart_calls.codes(payload) == ["INVALID_STATE"]
    assert await cart_calls.read(guest, cart) == cart


async def test_a_second_till_uses_its_own_stock(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_S2=1)
    phone, first, second = await shop.customer(), await shop.terminal("S1"), await shop.terminal("S2")
    cart = await shop.create_cart(phone, TEA=1, POT=1)
    before = await cart_calls.hand_over(phone, cart, first)

    after = await cart_calls.hand_over(phone, cart, second)

    assert cart_calls.methods(before) == {"TEA": "CARRY_OUT", "POT": "SHIP"}
    assert cart_calls.methods(after) == {"TEA": "SHIP", "POT": "CARRY_OUT"}
    assert cart_calls.line(after, "POT")["location"]["code"] == shop.code("S2")


async def test_a_claimed_cart_that_is_paid_on_the_phone_is_shipped(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    phone, till = await shop.customer(), await shop.terminal("S1")
    cart = await shop.create_cart(phone, TEA=1)
    await shop.set_fulfillment(phone, cart, "SHIP", lineIds=[], address=ADDRESS)
    claimed = await cart_calls.hand_over(phone, cart, till)
    assert cart_calls.methods(claimed) == {"TEA": "CARRY_OUT"}

    payload = await shop.check_out(phone, claimed)

    assert [f["method"] for f in payload["order"]["fulfillments"]] == ["SHIP"]
    assert (await shop.stock_level("TEA", "S1"))["committed"] == 1
