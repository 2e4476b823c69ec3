"""A till claims a cart: what its shelf can serve is carried out, and all of it is priced in the till's channel."""

from __future__ import annotations

import baskets

from shop import ADDRESS, ERRORS, Shop


async def test_lines_on_the_shelf_are_carried_out_and_the_others_shipped(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, POT_S1=1, POT_W1=5, CUP_S2=9)
    guest, till = shop.guest(), await shop.terminal()
    cart = await shop.cart(guest, TEA=2, POT=2, CUP=1)

    claimed = await baskets.carry(guest, cart, till)

    assert baskets.ways(claimed) == {"TEA": "CARRY_OUT", "POT": "SHIP", "CUP": "SHIP"}
    assert baskets.line(claimed, "TEA")["location"]["code"] == shop.code("S1")
    assert baskets.line(claimed, "POT")["location"] is None
    assert {way for line in claimed["lines"] for way in baskets.warnings(claimed, line["variant"]["sku"][:3])} == set()


async def test_the_shelf_counts_its_safety_stock(shop: Shop) -> None:
    await baskets.keep_back(shop, "TEA", "S1", on_hand=2, safety_stock=2)
    guest = shop.guest()

    claimed = await baskets.carry(guest, await shop.cart(guest, TEA=2), await shop.terminal("S1"))

    assert baskets.ways(claimed) == {"TEA": "CARRY_OUT"}
    assert baskets.warnings(claimed, "TEA") == []


async def test_the_shelf_counts_without_what_is_promised(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    other = await shop.cart(guest, TEA=1)
    chosen = await shop.fulfil(guest, other, "PICKUP", location="S1")
    assert not (await shop.check_out(guest, chosen["cart"]))["errors"]

    claimed = await baskets.carry(guest, await shop.cart(guest, TEA=2), till)

    assert baskets.ways(claimed) == {"TEA": "SHIP"}


async def test_lines_of_one_variant_share_the_shelf(shop: Shop) -> None:
    await shop.receive(TEA_S1=2, TEA_W1=9)
    guest = shop.guest()
    cart = await shop.cart(guest, TEA=2)
    await shop.fulfil(guest, cart, "SHIP")
    await shop.fulfil(guest, cart, "PICKUP", location="S2", lineIds=[cart["lines"][0]["id"]])
    await shop.add(guest, cart, TEA=1)

    claimed = await baskets.carry(guest, cart, await shop.terminal("S1"))

    assert sorted((line["method"], line["quantity"]) for line in claimed["lines"]) == [("PICKUP", 2), ("SHIP", 1)]


async def test_lines_that_become_the_same_are_one_line(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    guest = shop.guest()
    cart = await shop.cart(guest, TEA=2)
    await shop.fulfil(guest, cart, "PICKUP", location="S2")
    await shop.add(guest, cart, TEA=1)

    claimed = await baskets.carry(guest, cart, await shop.terminal("S1"))

    assert [(line["method"], line["quantity"]) for line in claimed["lines"]] == [("CARRY_OUT", 3)]


async def test_all_is_priced_at_the_till_and_changed_prices_are_told(shop: Shop) -> None:
    await baskets.reprice(shop, "TEA", "600", channel="stores", location="S1")
    guest, till = shop.guest("web"), await shop.terminal("S1")
    cart = await shop.cart(guest, TEA=2, POT=1)
    assert (cart["subtotal"]["amount"], cart["shipping"]["amount"]) == ("4596", "500")

    claimed = await baskets.carry(guest, cart, till)

    assert (claimed["subtotal"]["amount"], claimed["shipping"]["amount"]) == ("4500", "0")
    assert baskets.line(claimed, "TEA")["unitPrice"]["amount"] == "600"
    told = {warning["code"]: warning["message"] for warning in baskets.line(claimed, "TEA")["warnings"]}
    assert "648" in told["PRICE_CHANGED"]
    assert "PRICE_CHANGED" not in baskets.warnings(claimed, "POT")
    assert claimed["channel"]["code"] == shop.code("web")


async def test_the_phone_adds_at_the_tills_prices_once_it_was_claimed(shop: Shop) -> None:
    await baskets.reprice(shop, "TEA", "600", channel="stores", location="S1")
    phone, till = await shop.customer(), await shop.terminal("S1")
    cart = await shop.cart(phone, POT=1)
    await baskets.carry(phone, cart, till)

    payload = await shop.add(phone, cart, TEA=1)

    tea = baskets.line(payload["cart"], "TEA")
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

    claimed = await baskets.carry(guest, await shop.cart(guest, TEA=1, POT=1), await shop.terminal())

    assert "DISCONTINUED" in baskets.warnings(claimed, "TEA")
    assert baskets.line(claimed, "TEA")["unitPrice"]["amount"] == "648"


async def test_a_till_of_another_currency_cannot_claim_and_the_code_stays_good(shop: Shop) -> None:
    channel = {
        "code": shop.code("abroad"),
        "name": "Abroad",
        "kind": "WEB",
        "currency": "USD",
        "locations": [shop.code("W1")],
        "taxRates": [],
    }
    await shop.staff.do(
        f"mutation ($c: [ChannelInput!]!) {{ channelsUpsert(channels: $c) {{ count {ERRORS} }} }}", c=[channel]
    )
    guest = shop.guest("abroad")
    cart = await shop.cart(guest)
    code = (await baskets.hand_off(guest, cart))["code"]

    refused = await baskets.claim(await shop.terminal(), code)
    taken = await baskets.claim(await shop.customer(), code)

    assert [(e["code"], e["path"]) for e in refused["errors"]] == [("CURRENCY_MISMATCH", ["code"])]
    assert taken["cart"]["id"] == cart["id"]


async def test_a_till_without_a_store_channel_cannot_claim(shop: Shop) -> None:
    guest = shop.guest()
    cart = await shop.cart(guest, TEA=1)
    await shop.staff.do(
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

    payload = await baskets.claim(await shop.terminal("S1"), (await baskets.hand_off(guest, cart))["code"])

    assert baskets.codes(payload) == ["INVALID_STATE"]
    assert await baskets.read(guest, cart) == cart


async def test_a_second_till_finds_what_is_on_its_own_shelf(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, POT_S2=1)
    phone, first, second = await shop.customer(), await shop.terminal("S1"), await shop.terminal("S2")
    cart = await shop.cart(phone, TEA=1, POT=1)
    before = await baskets.carry(phone, cart, first)

    after = await baskets.carry(phone, cart, second)

    assert baskets.ways(before) == {"TEA": "CARRY_OUT", "POT": "SHIP"}
    assert baskets.ways(after) == {"TEA": "SHIP", "POT": "CARRY_OUT"}
    assert baskets.line(after, "POT")["location"]["code"] == shop.code("S2")


async def test_what_was_claimed_but_is_paid_on_the_phone_is_shipped(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    phone, till = await shop.customer(), await shop.terminal("S1")
    cart = await shop.cart(phone, TEA=1)
    await shop.fulfil(phone, cart, "SHIP", lineIds=[], address=ADDRESS)
    claimed = await baskets.carry(phone, cart, till)
    assert baskets.ways(claimed) == {"TEA": "CARRY_OUT"}

    payload = await shop.check_out(phone, claimed)

    assert [f["method"] for f in payload["order"]["fulfillments"]] == ["SHIP"]
    assert (await shop.level("TEA", "S1"))["committed"] == 1
