"""Cash at a till: one transaction, and the goods are out of the door."""

from __future__ import annotations

import pytest
from paying import buckets, cash, keep_back, orders, parcels, pay, picked_up, read, shipped, told, ways

from shop import ADDRESS, ORDER, Shop


async def test_goods_that_are_carried_out_are_sold_and_done(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    till = await shop.terminal("S1")
    cart = await shop.cart(till, TEA=2)

    payload = await pay(till, cart, cash("1296", "R-1"))

    order = payload["order"]
    assert (payload["errors"], order["status"], order["paymentStatus"]) == ([], "COMPLETED", "PAID")
    assert (order["channel"]["code"], order["location"]["code"]) == (shop.code("stores"), shop.code("S1"))
    assert [(p["method"], p["status"], p["amount"]["amount"], p["reference"]) for p in order["payments"]] == [
        ("CASH", "PAID", "1296", "R-1")
    ]
    assert [f["status"] for f in order["fulfillments"]] == ["HANDED_OVER"]
    assert parcels(order) == {("CARRY_OUT", "S1"): {"TEA": 2}}
    assert (await read(till, cart))["order"]["number"] == order["number"]


async def test_the_level_and_the_ledger_say_what_left_the_shelf(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    till = await shop.terminal("S1")

    payload = await pay(till, await shop.cart(till, TEA=2), cash("1296"))

    level = await shop.level("TEA", "S1")
    assert (level["onHand"], level["committed"], level["reserved"], level["available"]) == (8, 0, 0, 8)
    sale, receipt = [edge["node"] for edge in level["movements"]["edges"]]
    assert (sale["reason"], sale["quantity"], sale["onHandDelta"], sale["committedDelta"]) == ("SALE", 2, -2, 0)
    assert sale["actor"].startswith("terminal:")
    async with shop.hub.database.reading() as session:
        order_id = await session.fetchval("SELECT id FROM orders WHERE number = $1", payload["order"]["number"])
    assert sale["reference"] == f"order:{order_id}"
    assert receipt["reason"] == "RECEIPT"


async def test_the_timeline_tells_who_did_what(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    till = await shop.terminal("S1")

    order = (await pay(till, await shop.cart(till, TEA=1), cash("648")))["order"]

    assert [(e["type"], e["channel"]) for e in order["timeline"]] == [
        ("order.placed", shop.code("stores")),
        ("payment.updated", shop.code("stores")),
        ("order.completed", shop.code("stores")),
    ]
    assert {e["actor"].split(":")[0] for e in order["timeline"]} == {"terminal"}


async def test_cart_order_and_level_are_told_in_one_go(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    till = await shop.terminal("S1")

    order = (await pay(till, await shop.cart(till, TEA=1), cash("648")))["order"]

    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT type, data FROM outbox_event WHERE xmin = (SELECT e.xmin FROM outbox_event e JOIN orders o "
            "ON e.subject = 'Order:' || o.id WHERE o.number = $1 AND e.version = 1) ORDER BY id",
            order["number"],
        )
    # The relay has numbered them meanwhile, all of one transaction in one turn; none of another's is among the rows.
    assert {row["type"] for row in rows} >= {"order.placed", "payment.updated", "order.completed", "stock.changed"}


async def test_the_customers_phone_follows_the_order(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    phone, till = await shop.customer(), await shop.terminal("S1")
    cart = await shop.cart(phone, TEA=1)

    order = (await pay(till, cart, cash("648")))["order"]

    seen = await phone.run(f"query ($n: String) {{ order(number: $n) {{ {ORDER} }} }}", n=order["number"])
    assert seen["order"] == order
    assert (order["customer"], order["cartChannel"]["code"]) == ({"name": "Hana"}, shop.code("app"))


async def test_a_till_sells_its_own_safety_stock(shop: Shop) -> None:
    await keep_back(shop, "TEA", "S1", on_hand=2, safety_stock=2)
    till = await shop.terminal("S1")

    payload = await pay(till, await shop.cart(till, TEA=2), cash("1296"))

    assert payload["order"]["status"] == "COMPLETED"
    assert await buckets(shop, "TEA", "S1") == (0, 0, 0)


@pytest.mark.parametrize("way", ["shipped by another till", "shipped by the app", "picked up there"])
async def test_nobody_else_is_promised_a_stores_safety_stock(shop: Shop, way: str) -> None:
    await keep_back(shop, "TEA", "S1", on_hand=3, safety_stock=2)
    if way == "shipped by another till":
        client = await shop.terminal("S2")
        cart = await ways(shop, client, await shop.cart(client, TEA=2), TEA="SHIP")
    else:
        client = shop.guest("app")
        cart = await (shipped if way == "shipped by the app" else picked_up)(shop, client, TEA=2)
    tender = {"method": "CASH"} if way == "shipped by another till" else {}

    payload = await shop.check_out(client, cart, **tender)

    assert told(payload) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert await buckets(shop, "TEA", "S1") == (3, 0, 0)


@pytest.mark.parametrize("method", ["CASH", "TEST"])
async def test_what_a_till_promises_for_later_leaves_the_safety_stock_alone(shop: Shop, method: str) -> None:
    await keep_back(shop, "TEA", "S1", on_hand=2, safety_stock=1)
    till = await shop.terminal("S1")
    chosen = await shop.fulfil(till, await shop.cart(till, TEA=2), "PICKUP", location="S1")

    payload = await shop.check_out(till, chosen["cart"], method=method)

    assert told(payload) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert await buckets(shop, "TEA", "S1") == (2, 0, 0)


async def test_a_till_does_not_sell_what_is_promised_to_others(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    assert not (await shop.check_out(guest, await picked_up(shop, guest, TEA=1)))["errors"]
    cart = await shop.cart(till, TEA=2)

    payload = await pay(till, cart, cash("1296"))

    assert told(payload) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert "Shibuya has 1." in payload["errors"][0]["message"]
    assert await read(till, cart) == cart


async def test_one_order_is_carried_out_and_shipped(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_W1=5)
    till = await shop.terminal("S1")
    cart = await ways(shop, till, await shop.cart(till, TEA=2, POT=1), POT="SHIP")

    payload = await pay(till, cart, cash("4596"))

    order = payload["order"]
    assert (order["status"], order["paymentStatus"]) == ("OPEN", "PAID")
    assert parcels(order) == {("CARRY_OUT", "S1"): {"TEA": 2}, ("SHIP", "W1"): {"POT": 1}}
    assert {f["method"]: f["status"] for f in order["fulfillments"]} == {
        "CARRY_OUT": "HANDED_OVER",
        "SHIP": "ALLOCATED",
    }
    assert [e["type"] for e in order["timeline"]] == ["order.placed", "payment.updated"]
    assert await buckets(shop, "TEA", "S1") == (3, 0, 0)
    assert await buckets(shop, "POT", "W1") == (5, 1, 0)


async def test_of_a_line_that_is_short_nothing_is_taken(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=1)
    till = await shop.terminal("S1")
    cart = await shop.cart(till, TEA=2, POT=2, CUP=1)

    payload = await pay(till, cart, cash("21478"))

    assert told(payload) == [("OUT_OF_STOCK", ["lines", "1", "quantity"]), ("OUT_OF_STOCK", ["lines", "2", "quantity"])]
    assert await buckets(shop, "TEA", "S1") == (5, 0, 0)
    assert await read(till, cart) == cart


async def test_lines_that_nobody_chose_a_way_for_are_carried_out_at_a_till(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    cart, till = await shop.cart(shop.guest("web"), TEA=1), await shop.terminal("S1")
    assert cart["lines"][0]["method"] == "SHIP"

    payload = await pay(till, cart, cash("648"))

    assert parcels(payload["order"]) == {("CARRY_OUT", "S1"): {"TEA": 1}}
    assert payload["order"]["shipping"]["amount"] == "0"


async def test_a_cart_is_sold_once_however_often_the_till_asks(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    till = await shop.terminal("S1")
    cart = await shop.cart(till, TEA=1)

    first, again = [await pay(till, cart, cash("648"), idempotencyKey="K") for _ in range(2)]
    other = await pay(till, cart, cash("648"), idempotencyKey="L")

    assert first == again
    assert told(other) == [("CART_NOT_ACTIVE", ["cartId"])]
    assert await buckets(shop, "TEA", "S1") == (4, 0, 0)


async def test_a_refused_checkout_leaves_its_key_free(shop: Shop) -> None:
    till = await shop.terminal("S1")
    cart = await shop.cart(till, TEA=1)

    short = await pay(till, cart, cash("648"), idempotencyKey="K")
    await shop.receive(TEA_S1=1)
    paid = await pay(till, cart, cash("648"), idempotencyKey="K")

    assert told(short) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert paid["order"]["status"] == "COMPLETED"


async def test_a_key_with_another_input_is_refused(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    till = await shop.terminal("S1")
    one, two = await shop.cart(till, TEA=1), await shop.cart(till, TEA=1)
    await pay(till, one, cash("648"), idempotencyKey="K")

    payload = await pay(till, two, cash("648"), idempotencyKey="K")

    assert told(payload) == [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]
    assert await orders(shop, two) == 0


async def test_cash_is_taken_at_a_till_only(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    guest = shop.guest("app")
    cart = await picked_up(shop, guest, TEA=1)

    payload = await pay(guest, cart, cash("648"))

    assert told(payload) == [("INVALID", ["payments", "0", "method"])]
    assert await read(guest, cart) == cart


async def test_goods_are_not_carried_out_of_a_website(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    cart = await shop.cart(guest, TEA=1)
    await shop.fulfil(till, cart, "CARRY_OUT")

    payload = await shop.check_out(guest, cart)

    assert told(payload) == [("INVALID", ["lines", "0", "method"])]


@pytest.mark.parametrize("address", [None, ADDRESS])
async def test_what_is_shipped_from_a_till_needs_an_address(shop: Shop, address: dict[str, str] | None) -> None:
    await shop.receive(TEA_W1=5)
    till = await shop.terminal("S1")
    chosen = await shop.fulfil(till, await shop.cart(till, TEA=1), "SHIP", **({"address": address} if address else {}))

    payload = await pay(till, chosen["cart"], cash("648"))

    assert told(payload) == ([] if address else [("INVALID", ["address"])])


async def test_an_empty_cart_is_not_sold(shop: Shop) -> None:
    till = await shop.terminal("S1")
    cart = await shop.cart(till)

    payload = await pay(till, cart)

    assert told(payload) == [("EMPTY_CART", ["cartId"])]
    assert (await read(till, cart))["status"] == "ACTIVE"
