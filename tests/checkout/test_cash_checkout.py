"""Cash checkouts at a till, in one transaction."""

from __future__ import annotations

import pytest

from tests.support.checkout_calls import (
    cart_to_pick_up,
    cart_to_ship,
    cash,
    choose_methods,
    codes_and_paths,
    fulfilled_units,
    order_count,
    pay,
    read,
    set_safety_stock,
    stock_quantities,
)
from tests.support.shop import ADDRESS, ORDER, Shop


async def test_a_carry_out_order_is_completed_at_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=2)

    payload = await pay(till, cart, cash("1296", "R-1"))

    order = payload["order"]
    assert (payload["errors"], order["status"], order["paymentStatus"]) == ([], "COMPLETED", "PAID")
    assert (order["channel"]["code"], order["location"]["code"]) == (shop.code("stores"), shop.code("S1"))
    assert [(p["method"], p["status"], p["amount"]["amount"], p["reference"]) for p in order["payments"]] == [
        ("CASH", "PAID", "1296", "R-1")
    ]
    assert [f["status"] for f in order["fulfillments"]] == ["HANDED_OVER"]
    assert fulfilled_units(order) == {("CARRY_OUT", "S1"): {"TEA": 2}}
    assert (await read(till, cart))["order"]["number"] == order["number"]


async def test_the_level_and_the_ledger_have_the_sale(shop: Shop) -> None:
    await shop.receive(TEA_S1=10)
    till = await shop.terminal("S1")

    payload = await pay(till, await shop.create_cart(till, TEA=2), cash("1296"))

    level = await shop.stock_level("TEA", "S1")
    assert (level["onHand"], level["committed"], level["reserved"], level["available"]) == (8, 0, 0, 8)
    sale, receipt = [edge["node"] for edge in level["movements"]["edges"]]
    assert (sale["reason"], sale["quantity"], sale["onHandDelta"], sale["committedDelta"]) == ("SALE", 2, -2, 0)
    assert sale["actor"].startswith("terminal:")
    async with shop.hub.database.reading() as session:
        order_id = await session.fetchval("SELECT id FROM orders WHERE number = $1", payload["order"]["number"])
    assert sale["reference"] == f"order:{order_id}"
    assert receipt["reason"] == "RECEIPT"


async def test_the_timeline_has_the_actor_of_each_event(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    till = await shop.terminal("S1")

    order = (await pay(till, await shop.create_cart(till, TEA=1), cash("648")))["order"]

    assert [(e["type"], e["channel"]) for e in order["timeline"]] == [
        ("order.placed", shop.code("stores")),
        ("payment.updated", shop.code("stores")),
        ("order.completed", shop.code("stores")),
    ]
    assert {e["actor"].split(":")[0] for e in order["timeline"]} == {"terminal"}


async def test_events_of_cart_order_and_level_are_emitted_together(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    till = await shop.terminal("S1")

    order = (await pay(till, await shop.create_cart(till, TEA=1), cash("648")))["order"]

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
    cart = await shop.create_cart(phone, TEA=1)

    order = (await pay(till, cart, cash("648")))["order"]

    seen = await phone.execute(f"query ($n: String) {{ order(number: $n) {{ {ORDER} }} }}", n=order["number"])
    assert seen["order"] == order
    assert (order["customer"], order["cartChannel"]["code"]) == ({"name": "Hana"}, shop.code("app"))


async def test_a_till_sells_its_own_safety_stock(shop: Shop) -> None:
    await set_safety_stock(shop, "TEA", "S1", on_hand=2, safety_stock=2)
    till = await shop.terminal("S1")

    payload = await pay(till, await shop.create_cart(till, TEA=2), cash("1296"))

    assert payload["order"]["status"] == "COMPLETED"
    assert await stock_quantities(shop, "TEA", "S1") == (0, 0, 0)


@pytest.mark.parametrize("way", ["shipped by another till", "shipped by the app", "picked up there"])
async def test_safety_stock_is_not_promised_to_other_callers(shop: Shop, way: str) -> None:
    await set_safety_stock(shop, "TEA", "S1", on_hand=3, safety_stock=2)
    if way == "shipped by another till":
        client = await shop.terminal("S2")
        cart = await choose_methods(shop, client, await shop.create_cart(client, TEA=2), TEA="SHIP")
    else:
        client = shop.guest("app")
        cart = await (cart_to_ship if way == "shipped by the app" else cart_to_pick_up)(shop, client, TEA=2)
    tender = {"method": "CASH"} if way == "shipped by another till" else {}

    payload = await shop.check_out(client, cart, **tender)

    assert codes_and_paths(payload) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert await stock_quantities(shop, "TEA", "S1") == (3, 0, 0)


@pytest.mark.parametrize("method", ["CASH", "TEST"])
async def test_a_tills_pickups_and_shipments_do_not_take_safety_stock(shop: Shop, method: str) -> None:
    await set_safety_stock(shop, "TEA", "S1", on_hand=2, safety_stock=1)
    till = await shop.terminal("S1")
    chosen = await shop.set_fulfillment(till, await shop.create_cart(till, TEA=2), "PICKUP", location="S1")

    payload = await shop.check_out(till, chosen["cart"], method=method)

    assert codes_and_paths(payload) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert await stock_quantities(shop, "TEA", "S1") == (2, 0, 0)


async def test_a_till_does_not_sell_what_is_promised_to_others(shop: Shop) -> None:
    await shop.receive(TEA_S1=2)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    assert not (await shop.check_out(guest, await cart_to_pick_up(shop, guest, TEA=1)))["errors"]
    cart = await shop.create_cart(till, TEA=2)

    payload = await pay(till, cart, cash("1296"))

    assert codes_and_paths(payload) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert "Shibuya has 1." in payload["errors"][0]["message"]
    assert await read(till, cart) == cart


async def test_one_order_is_carried_out_and_shipped(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_W1=5)
    till = await shop.terminal("S1")
    cart = await choose_methods(shop, till, await shop.create_cart(till, TEA=2, POT=1), POT="SHIP")

    payload = await pay(till, cart, cash("4596"))

    order = payload["order"]
    assert (order["status"], order["paymentStatus"]) == ("OPEN", "PAID")
    assert fulfilled_units(order) == {("CARRY_OUT", "S1"): {"TEA": 2}, ("SHIP", "W1"): {"POT": 1}}
    assert {f["method"]: f["status"] for f in order["fulfillments"]} == {
        "CARRY_OUT": "HANDED_OVER",
        "SHIP": "ALLOCATED",
    }
    assert [e["type"] for e in order["timeline"]] == ["order.placed", "payment.updated"]
    assert await stock_quantities(shop, "TEA", "S1") == (3, 0, 0)
    assert await stock_quantities(shop, "POT", "W1") == (5, 1, 0)


async def test_refuses_all_lines_when_one_is_short(shop: Shop) -> None:
    await shop.receive(TEA_S1=5, POT_S1=1)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=2, POT=2, CUP=1)

    payload = await pay(till, cart, cash("21478"))

    assert codes_and_paths(payload) == [
        ("OUT_OF_STOCK", ["lines", "1", "quantity"]),
        ("OUT_OF_STOCK", ["lines", "2", "quantity"]),
    ]
    assert await stock_quantities(shop, "TEA", "S1") == (5, 0, 0)
    assert await read(till, cart) == cart


async def test_lines_without_a_chosen_method_are_carried_out_at_a_till(shop: Shop) -> None:
    await shop.receive(TEA_S1=1)
    cart, till = await shop.create_cart(shop.guest("web"), TEA=1), await shop.terminal("S1")
    assert cart["lines"][0]["method"] == "SHIP"

    payload = await pay(till, cart, cash("648"))

    assert fulfilled_units(payload["order"]) == {("CARRY_OUT", "S1"): {"TEA": 1}}
    assert payload["order"]["shipping"]["amount"] == "0"


async def test_repeated_calls_with_one_key_sell_a_cart_once(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=1)

    first, again = [await pay(till, cart, cash("648"), idempotencyKey="K") for _ in range(2)]
    other = await pay(till, cart, cash("648"), idempotencyKey="L")

    assert first == again
    assert codes_and_paths(other) == [("CART_NOT_ACTIVE", ["cartId"])]
    assert await stock_quantities(shop, "TEA", "S1") == (4, 0, 0)


async def test_a_refused_checkout_leaves_its_key_free(shop: Shop) -> None:
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till, TEA=1)

    short = await pay(till, cart, cash("648"), idempotencyKey="K")
    await shop.receive(TEA_S1=1)
    paid = await pay(till, cart, cash("648"), idempotencyKey="K")

    assert codes_and_paths(short) == [("OUT_OF_STOCK", ["lines", "0", "quantity"])]
    assert paid["order"]["status"] == "COMPLETED"


async def test_a_key_with_another_input_is_refused(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    till = await shop.terminal("S1")
    one, two = await shop.create_cart(till, TEA=1), await shop.create_cart(till, TEA=1)
    await pay(till, one, cash("648"), idempotencyKey="K")

    payload = await pay(till, two, cash("648"), idempotencyKey="K")

    assert codes_and_paths(payload) == [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]
    assert await order_count(shop, two) == 0


async def test_cash_is_accepted_at_a_till_only(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    guest = shop.guest("app")
    cart = await cart_to_pick_up(shop, guest, TEA=1)

    payload = await pay(guest, cart, cash("648"))

    assert codes_and_paths(payload) == [("INVALID", ["payments", "0", "method"])]
    assert await read(guest, cart) == cart


async def test_carry_out_is_refused_on_the_web(shop: Shop) -> None:
    await shop.receive(TEA_S1=5)
    guest, till = shop.guest("app"), await shop.terminal("S1")
    cart = await shop.create_cart(guest, TEA=1)
    await shop.set_fulfillment(till, cart, "CARRY_OUT")

    payload = await shop.check_out(guest, cart)

    assert codes_and_paths(payload) == [("INVALID", ["lines", "0", "method"])]


@pytest.mark.parametrize("address", [None, ADDRESS])
async def test_shipping_from_a_till_needs_an_address(shop: Shop, address: dict[str, str] | None) -> None:
    await shop.receive(TEA_W1=5)
    till = await shop.terminal("S1")
    chosen = await shop.set_fulfillment(
        till, await shop.create_cart(till, TEA=1), "SHIP", **({"address": address} if address else {})
    )

    payload = await pay(till, chosen["cart"], cash("648"))

    assert codes_and_paths(payload) == ([] if address else [("INVALID", ["address"])])


async def test_an_empty_cart_is_not_sold(shop: Shop) -> None:
    till = await shop.terminal("S1")
    cart = await shop.create_cart(till)

    payload = await pay(till, cart)

    assert codes_and_paths(payload) == [("EMPTY_CART", ["cartId"])]
    assert (await read(till, cart))["status"] == "ACTIVE"
