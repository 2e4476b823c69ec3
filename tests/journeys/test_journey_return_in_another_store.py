"""Journey D: bought on the web, shipped, returned at another store three weeks later without the receipt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from client import Client
from shop import ADDRESS, ERRORS, Shop
from uriba.core import ids

FOUND = """query ($c: String) { customer(loyaltyCard: $c) { name orders(first: 5) { edges { node {
    id number status paymentStatus lines { id sku quantity returnedQuantity } } } } } }"""
RETURN = f"""mutation ($i: OrderReturnInput!) {{ orderReturn(input: $i) {{
    orderReturn {{ refund {{ amount }} location {{ code }} }} order {{ id paymentStatus }} {ERRORS} }} }}"""
SHIP = f"""mutation ($f: ID!) {{ fulfillmentUpdate(fulfillmentId: $f, status: SHIPPED, tracking: "YMT-77") {{
    order {{ status }} {ERRORS} }} }}"""
MINE = """query ($id: ID!) { order(id: $id) { status paymentStatus refunded { amount }
    payments { method status refunded { amount } } refunds { method status amount { amount } }
    returns { location { code } lines { quantity orderLine { sku } } }
    fulfillments { id status tracking } timeline { message } } }"""


async def test_journey_d(shop: Shop) -> None:
    await shop.receive(TEA_W1=4, CUP_W1=2)
    hana = await shop.customer("HANA", channel="web")
    order = await bought_on_the_web(shop, hana)
    (part,) = (await hana.run(MINE, id=order["id"]))["order"]["fulfillments"]
    assert not (await shop.staff.do(SHIP, f=part["id"]))["errors"]
    await three_weeks_pass(shop, order)
    till = await shop.terminal("S2")

    # At a store that never stocked it: found by her card, no receipt.
    found = (await till.run(FOUND, c=shop.code("HANA")))["customer"]
    (bought,) = [edge["node"] for edge in found["orders"]["edges"]]
    assert (found["name"], bought["number"]) == ("Hana", order["number"])
    (cup,) = [line for line in bought["lines"] if line["sku"] == shop.sku("CUP")]
    async with hana.subscribe(
        "subscription ($o: ID!) { orderChanged(orderId: $o) { paymentStatus refunded { amount } } }", o=order["id"]
    ) as following:
        await following.next()
        asked = {
            "orderId": bought["id"],
            "lines": [{"orderLineId": cup["id"], "quantity": 1, "condition": "SELLABLE", "reason": "too small"}],
            "idempotencyKey": uuid4().hex,
        }
        back = await till.do(RETURN, i=asked)
        assert not back["errors"]
        # The phone sees it at once, whoever asks again gets the same answer.
        assert await following.next() == {"paymentStatus": "PARTIALLY_REFUNDED", "refunded": {"amount": "13582"}}
        assert await till.do(RETURN, i=asked) == back

    # Refunded to the way it was paid, restocked where it was handed in.
    seen = (await hana.run(MINE, id=order["id"]))["order"]
    assert seen["refunds"] == [{"method": "TEST", "status": "SUCCEEDED", "amount": {"amount": "13582"}}]
    assert await book_of_the_provider(shop, order) == 13_582
    assert [(r["location"]["code"], r["lines"][0]["quantity"]) for r in seen["returns"]] == [(shop.code("S2"), 1)]
    level = await shop.level("CUP", "S2")
    assert (level["onHand"], level["available"]) == (1, 1)
    assert [event["message"] for event in seen["timeline"]][-2:] == [
        "1 unit was returned.",
        "Refunded ¥13,582 of the TEST payment of ¥15,378.",
    ]

    # Visible everywhere: the web may promise it again, staff find the order, the feed tells of each step in order.
    stock = await shop.guest("web").run(
        "query ($s: String) { variant(sku: $s) { availability { quantity } } }", s=shop.sku("CUP")
    )
    assert stock["variant"]["availability"]["quantity"] == 1 + 1
    staff = await shop.staff.run(
        "query ($c: String) { orders(customer: $c) { edges { node { number } } } }", c=shop.code("HANA")
    )
    assert [edge["node"]["number"] for edge in staff["orders"]["edges"]] == [order["number"]]
    assert await told(shop, order) == [
        "order.placed",
        "payment.updated",
        "fulfillment.updated",
        "return.created",
        "payment.updated",
    ]


async def bought_on_the_web(shop: Shop, hana: Client) -> dict[str, Any]:
    cart = await shop.cart(hana, "web", TEA=2, CUP=1)
    chosen = await shop.fulfil(hana, cart, "SHIP", address=ADDRESS)
    paid = await shop.check_out(hana, chosen["cart"])
    assert not paid["errors"], paid
    return paid["order"]  # type: ignore[no-any-return]


async def three_weeks_pass(shop: Shop, order: dict[str, Any]) -> None:
    key = ids.uuid(order["id"], "Order")
    async with shop.hub.database.transaction(notify=False) as session:
        await session.run(
            "UPDATE orders SET placed_at = placed_at - $2::interval WHERE id = $1", key, timedelta(weeks=3)
        )
        await session.run(
            "UPDATE fulfillment SET changed_at = changed_at - $2::interval WHERE order_id = $1", key, timedelta(weeks=3)
        )


async def book_of_the_provider(shop: Shop, order: dict[str, Any]) -> int:
    async with shop.hub.database.reading() as session:
        return await session.fetchval(  # type: ignore[no-any-return]
            "SELECT t.refunded_minor FROM sandbox_charge t JOIN payment p ON p.key = t.key WHERE p.order_id = $1",
            ids.uuid(order["id"], "Order"),
        )


async def told(shop: Shop, order: dict[str, Any]) -> list[str]:
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT type FROM outbox_event WHERE subject = $1 ORDER BY version",
            f"Order:{ids.uuid(order['id'], 'Order')}",
        )
    return [row["type"] for row in rows]
