"""Journey A: from the phone to the till."""

from __future__ import annotations

from tests.support.shop import ADDRESS, CART, ERRORS, ORDER, Shop


async def test_a_cart_is_handed_from_the_phone_to_the_till(shop: Shop) -> None:
    await shop.receive(TEA_S1=10, POT_S1=5, CUP_W1=3)
    phone, web, till = await shop.customer(), await shop.customer(channel="web"), await shop.terminal()

    cart = await shop.create_cart(phone, TEA=2, POT=1)
    watch = f"subscription ($c: ID!) {{ cartChanged(cartId: $c) {{ {CART} }} }}"
    async with phone.subscribe(watch, c=cart["id"]) as on_phone, web.subscribe(watch, c=cart["id"]) as on_web:
        assert (await on_phone.next())["quantity"] == (await on_web.next())["quantity"] == 3

        await shop.add_lines(web, cart, CUP=1)
        seen = await on_phone.until(lambda state: state["quantity"] == 4)
        assert seen["lastChangedBy"] == shop.code("web")

        handed = await phone.mutate(
            f"mutation ($c: ID!) {{ cartHandoff(cartId: $c) {{ code qr {ERRORS} }} }}", c=cart["id"]
        )
        claimed = await till.mutate(
            f"mutation ($c: String!) {{ cartClaim(code: $c) {{ cart {{ {CART} }} {ERRORS} }} }}",
            c=handed["code"],
        )
        ways = {line["variant"]["sku"]: line["method"] for line in claimed["cart"]["lines"]}
        assert ways == {shop.sku("TEA"): "CARRY_OUT", shop.sku("POT"): "CARRY_OUT", shop.sku("CUP"): "SHIP"}
        cup = next(line["id"] for line in claimed["cart"]["lines"] if line["method"] == "SHIP")
        chosen = await shop.set_fulfillment(till, cart, "SHIP", lineIds=[cup], address=ADDRESS)
        paid = await shop.check_out(till, chosen["cart"], method="CASH")

        order = paid["order"]
        assert (order["status"], order["paymentStatus"]) == ("OPEN", "PAID")
        assert (order["channel"]["code"], order["cartChannel"]["code"]) == (
            shop.code("stores"),
            shop.code("app"),
        )
        assert (await on_phone.until(lambda state: state["status"] == "ORDERED"))["order"]["number"] == order["number"]
        assert (await on_web.until(lambda state: state["status"] == "ORDERED"))["order"]["number"] == order["number"]

    seen = (await phone.execute(f"query ($n: String) {{ order(number: $n) {{ {ORDER} }} }}", n=order["number"]))[
        "order"
    ]
    assert seen == order
    assert (await shop.stock_level("TEA", "S1"))["onHand"] == 8
    assert (await shop.stock_level("POT", "S1"))["onHand"] == 4
    assert (await shop.stock_level("CUP", "W1"))["committed"] == 1
