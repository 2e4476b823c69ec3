"""Journey D: bought on the web, shipped, returned at another store three weeks later without the receipt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from tests.support.client import Client
from tests.support.shop import ADDRESS, ERRORS, Shop
from uriba.core import ids

CUSTOMER_ORDERS = """query ($c: String) { customer(loyaltyCard: $c) { name orders(first: 5) { edges { node {
    id number status paymentStatus lines { id sku quantity returnedQuantity } } } } } }"""
RETURN = f"""mutation ($i: OrderReturnInput!) {{ orderReturn(input: $i) {{
    orderReturn {{ refund {{ amount }} location {{ code }} }} order {{ id paymentStatus }} {ERRORS} }} }}"""
SHIP = f"""mutation ($f: ID!) {{ fulfillmentUpdate(fulfillmentId: $f, status: SHIPPED, tracking: "YMT-77") {{
    order {{ status }} {ERRORS} }} }}"""
ORDER_DETAILS = """query ($id: ID!) { order(id: $id) { status paymentStatus refunded { amount }
    payments { method status refunded { amount } } refunds { method status amount { amount } }
    returns { location { code } lines { quantity orderLine { sku } } }
    fulfillments { id status tracking } timeline { message } } }"""


async def test_an_order_of_the_web_shop_is_returned_in_another_store_without_a_receipt(shop: Shop) -> None:
    await shop.receive(TEA_W1=4, CUP_W1=2)
    hana = await shop.customer("HANA", channel="web")
    order = await order_on_the_web(shop, hana)
    (part,) = (await hana.execute(ORDER_DETAILS, id=order["id"]))["order"]["fulfillments"]
    assert not (await shop.staff.mutate(SHIP, f=part["id"]))["errors"]
    await age_by_three_weeks(shop, order)
    till = await shop.terminal("S2")

    # The store never had this variant in stock. The order is found by the loyalty card, without the receipt.
    found = (await till.execute(CUSTOMER_ORDERS, c=shop.code("HANA")))["customer"]
    (bought,) = [edge["node"] for edge in found["orders"]["edges"]]
    assert (found["name"], bought["number"]) == ("Hana", order["number"])
    (cup,) = [line for line in bought["lines"] if line["sku"] == shop.sku("CUP")]
    async with hana.subscribe(
        "subscription ($o: ID!) { orderChanged(orderId: $o) { paymentStatus refunded { amount } } }", o=order["id"]
    ) as subscription:
        await subscription.next()
        request = {
            "orderId": bought["id"],
            "lines": [{"orderLineId": cup["id"], "quantity": 1, "condition": "SELLABLE", "reason": "too small"}],
            "idempotencyKey": uuid4().hex,
        }
        returned = await till.mutate(RETURN, i=request)
        assert not returned["errors"]
        # The phone receives the change, and repeating the request gives the same response.
        assert await subscription.next() == {"paymentStatus": "PARTIALLY_REFUNDED", "refunded": {"amount": "13582"}}
        assert await till.mutate(RETURN, i=request) == returned

    # The original tender is refunded, and the unit is in stock where it was returned.
    details = (await hana.execute(ORDER_DETAILS, id=order["id"]))["order"]
    assert details["refunds"] == [{"method": "TEST", "status": "SUCCEEDED", "amount": {"amount": "13582"}}]
    assert await refunded_by_provider(shop, order) == 13_582
    assert [(r["location"]["code"], r["lines"][0]["quantity"]) for r in details["returns"]] == [(shop.code("S2"), 1)]
    level = await shop.stock_level("CUP", "S2")
    assert (level["onHand"], level["available"]) == (1, 1)
    assert [event["message"] for event in details["timeline"]][-2:] == [
        "1 unit was returned.",
        "Refunded ¥13,582 of the TEST payment of ¥15,378.",
    ]

    # Every channel has it: the web shop can sell it again, staff find the order, and the feed has each step in order.
    stock = await shop.guest("web").execute(
        "query ($s: String) { variant(sku: $s) { availability { quantity } } }", s=shop.sku("CUP")
    )
    assert stock["variant"]["availability"]["quantity"] == 1 + 1
    staff = await shop.staff.execute(
        "query ($c: String) { orders(customer: $c) { edges { node { number } } } }", c=shop.code("HANA")
    )
    assert [edge["node"]["number"] for edge in staff["orders"]["edges"]] == [order["number"]]
    assert await event_types(shop, order) == [
        "order.placed",
        "payment.updated",
        "fulfillment.updated",
        "return.created",
        "payment.updated",
    ]


async def order_on_the_web(shop: Shop, hana: Client) -> dict[str, Any]:
    cart = await shop.create_cart(hana, "web", TEA=2, CUP=1)
    chosen = await shop.set_fulfillment(hana, cart, "SHIP", address=ADDRESS)
    paid = await shop.check_out(hana, chosen["cart"])
    assert not paid["errors"], paid
    return paid["order"]  # type: ignore[no-any-return]


async def age_by_three_weeks(shop: Shop, order: dict[str, Any]) -> None:
    key = ids.uuid(order["id"], "Order")
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(
            "UPDATE orders SET placed_at = placed_at - $2::interval WHERE id = $1", key, timedelta(weeks=3)
        )
        await session.run(
            "UPDATE fulfillment SET changed_at = changed_at - $2::interval WHERE order_id = $1", key, timedelta(weeks=3)
        )


async def refunded_by_provider(shop: Shop, order: dict[str, Any]) -> int:
    async with shop.hub.database.reading() as session:
        return await session.fetchval(  # type: ignore[no-any-return]
            "SELECT t.refunded_minor FROM sandbox_charge t JOIN payment p ON p.key = t.key WHERE p.order_id = $1",
            ids.uuid(order["id"], "Order"),
        )


async def event_types(shop: Shop, order: dict[str, Any]) -> list[str]:
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT type FROM outbox_event WHERE subject = $1 ORDER BY version",
            f"Order:{ids.uuid(order['id'], 'Order')}",
        )
    return [row["type"] for row in rows]
