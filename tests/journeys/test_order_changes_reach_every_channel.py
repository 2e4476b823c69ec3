"""Each change of an order, by a store, a till, a customer or a sweep, reaches every channel.

A change is received in four ways: webhooks, the feed, the subscriptions to the order and to its cart, and the timeline
for staff. All have the same events with the same versions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.client import Client, Subscription
from tests.support.order_calls import cancel_order, line_units, order_state, return_units, update_fulfillment
from tests.support.shop import ADDRESS, ERRORS, Shop
from tests.support.tills import open_till
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import WebhookReceiver, webhook_receiver
from uriba.core import ids
from uriba.worker import sweeps

ORDER_CHANGED = """subscription ($o: ID!) { orderChanged(orderId: $o) {
    id status paymentStatus fulfillments { id status } returns { id } timeline { type } } }"""
CART_CHANGED = "subscription ($c: ID!) { cartChanged(cartId: $c) { order { id status timeline { type } } } }"
FEED = """query ($a: String) { events(after: $a, first: 100) {
    edges { node { id type subject version } } pageInfo { hasNextPage endCursor } } }"""


@dataclass
class ObservedOrder:
    """An order, and the receivers of its events: a webhook, two subscriptions, and the feed after `start`."""

    shop: Shop
    order: dict[str, Any]
    receiver: WebhookReceiver
    on_order: Subscription
    on_cart: Subscription
    start: str
    last: dict[int, Any] = field(default_factory=dict)

    async def wait_for_event(self, kind: str, *, times: int = 1) -> None:
        """Wait until every receiver has this number of events of a type, and check that they agree."""
        subject = self.order["id"]

        def delivered() -> list[dict[str, Any]]:
            return [
                request.event
                for request in self.receiver.accepted
                if request.event["subject"] == subject and request.event["type"] == kind
            ]

        await self.receiver.wait_until(lambda: len(delivered()) >= times)
        order_seen = await self.until(self.on_order, lambda s: _types(s).count(kind) >= times)
        cart_seen = await self.until(self.on_cart, lambda s: s["order"] and _types(s["order"]).count(kind) >= times)
        assert order_seen["id"] == cart_seen["order"]["id"] == subject
        feed = [event for event in await self.feed() if event["subject"] == subject]
        assert [event["version"] for event in feed] == list(range(1, len(feed) + 1))
        ids_of = {event["version"]: event["id"] for event in feed}
        assert all(ids_of[event["version"]] == event["id"] for event in delivered())
        timeline = _types(await order_state(self.shop, self.order))
        assert timeline == [event["type"] for event in feed][: len(timeline)] or timeline.count(kind) >= times

    async def until(self, subscription: Subscription, wanted: Callable[[Any], object]) -> Any:
        """Return the last result of a subscription if the condition holds for it, or else the next one for which it does."""
        result = self.last.get(id(subscription))
        if result is None or not wanted(result):
            result = self.last[id(subscription)] = await subscription.until(wanted)
        return result

    async def feed(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        after = self.start
        while True:
            page = (await self.shop.staff.execute(FEED, a=after))["events"]
            events += [edge["node"] for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return events

    async def parts(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = (await order_state(self.shop, self.order))["fulfillments"]
        return parts


def _types(order: dict[str, Any]) -> list[str]:
    return [event["type"] for event in order["timeline"]]


@asynccontextmanager
async def place_order(shop: Shop, method: str, **units: int) -> AsyncIterator[ObservedOrder]:
    """Place an order of the app's customer, for pickup at S1 or to be shipped, and open its receivers."""
    customer = await shop.customer()
    async with webhook_receiver() as receiver:
        made = await shop.staff.mutate(
            f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ endpoint {{ id }} {ERRORS} }} }}",
            i={"url": receiver.url},
        )
        start = await shop.feed_end()
        cart = await shop.create_cart(customer, **units)
        destination = {"location": "S1"} if method == "PICKUP" else {"address": dict(ADDRESS)}
        chosen = await shop.set_fulfillment(customer, cart, method, **destination)
        order = (await shop.check_out(customer, chosen["cart"]))["order"]
        order = await order_state(shop, order)
        async with (
            customer.subscribe(ORDER_CHANGED, o=order["id"]) as on_order,
            customer.subscribe(CART_CHANGED, c=cart["id"]) as on_cart,
        ):
            try:
                yield ObservedOrder(shop, order, receiver, on_order, on_cart, start)
            finally:
                await shop.staff.mutate(
                    f"mutation ($id: ID!) {{ endpointDelete(id: $id) {{ {ERRORS} }} }}", id=made["endpoint"]["id"]
                )


async def test_a_pickup_until_it_is_handed_over(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    till = await shop.terminal("S1")

    async with place_order(shop, "PICKUP", TEA=1) as observed:
        await observed.wait_for_event("order.placed")
        (part,) = await observed.parts()
        for times, status in enumerate(("PICKED", "READY_FOR_PICKUP", "HANDED_OVER"), 1):
            code = {"code": part["pickupCode"]} if status == "HANDED_OVER" and part["pickupCode"] else {}
            payload = await update_fulfillment(till, part, status, **code)
            assert not payload["errors"], payload
            await observed.wait_for_event("fulfillment.updated", times=times)
        await observed.wait_for_event("order.completed")


async def test_a_shipment_until_it_is_delivered(shop: Shop) -> None:
    await shop.receive(TEA_W1=3)

    async with place_order(shop, "SHIP", TEA=1) as observed:
        (part,) = await observed.parts()
        for times, status in enumerate(("PICKED", "SHIPPED", "DELIVERED"), 1):
            payload = await update_fulfillment(
                shop.staff, part, status, **({"tracking": "J1"} if status == "SHIPPED" else {})
            )
            assert not payload["errors"], payload
            await observed.wait_for_event("fulfillment.updated", times=times)
        await observed.wait_for_event("order.completed")


async def test_a_rejection(shop: Shop) -> None:
    await shop.receive(TEA_S1=3, TEA_W1=3)

    async with place_order(shop, "SHIP", TEA=1) as observed:
        (part,) = await observed.parts()
        payload = await update_fulfillment(shop.staff, part, "REJECTED", reason="not found")
        assert not payload["errors"], payload
        await observed.wait_for_event("fulfillment.updated")


async def test_a_cancelled_order(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)

    async with place_order(shop, "PICKUP", TEA=1) as observed:
        payload = await cancel_order(shop.staff, observed.order, reason="asked")
        assert not payload["errors"], payload
        await observed.wait_for_event("order.cancelled")
        await observed.wait_for_event("payment.updated")


async def test_a_cancelled_line(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)

    async with place_order(shop, "PICKUP", TEA=2) as observed:
        payload = await cancel_order(shop.staff, observed.order, lines=[line_units(shop, observed.order, "TEA", 1)])
        assert not payload["errors"], payload
        await observed.wait_for_event("order.lines_cancelled")


async def _by_staff(shop: Shop, order: dict[str, Any]) -> None:
    payload = await return_units(shop.staff, order, [line_units(shop, order, "TEA", 1)], location=shop.code("S2"))
    assert not payload["errors"], payload


async def _by_a_till_that_was_offline(shop: Shop, order: dict[str, Any]) -> None:
    till = await open_till(shop, "S2")
    fact = till.fact("RETURN", [till.line("TEA", 1, unitPrice="648")], originalReceipt=order["number"])
    assert await till.verdicts({**fact, "tenders": [{"method": "CASH", "amount": "648"}]}) == ["APPLIED"]


@pytest.mark.parametrize("come_back", [_by_staff, _by_a_till_that_was_offline])
async def test_returned_units(shop: Shop, come_back: Callable[[Shop, dict[str, Any]], Awaitable[None]]) -> None:
    await shop.receive(TEA_S1=3)
    till = await shop.terminal("S1")

    async with place_order(shop, "PICKUP", TEA=1) as observed:
        (part,) = await observed.parts()
        for status in ("PICKED", "READY_FOR_PICKUP", "HANDED_OVER"):
            code = {"code": part["pickupCode"]} if status == "HANDED_OVER" and part["pickupCode"] else {}
            assert not (await update_fulfillment(till, part, status, **code))["errors"]
        await come_back(shop, observed.order)
        await observed.wait_for_event("return.created")


async def test_an_expired_pickup(shop: Shop) -> None:
    await shop.receive(TEA_S1=3)
    till = await shop.terminal("S1")

    async with place_order(shop, "PICKUP", TEA=1) as observed:
        (part,) = await observed.parts()
        for status in ("PICKED", "READY_FOR_PICKUP"):
            assert not (await update_fulfillment(till, part, status))["errors"]
        async with shop.hub.database.transaction() as session:
            await session.run(
                "UPDATE fulfillment SET hold_until = now() - interval '1 minute' WHERE id = $1",
                ids.uuid(part["id"], "Fulfillment"),
            )

        async def expired() -> Any:
            return await sweeps.expire_pickups(shop.hub.work) or (await observed.parts())[0]["status"] == "CANCELLED"

        await wait_until(expired)
        await observed.wait_for_event("fulfillment.updated", times=3)


async def test_promised_units_sold_by_a_till(shop: Shop) -> None:
    await shop.receive(TEA_S1=1, TEA_S2=5)
    till = await open_till(shop, "S1")

    async with place_order(shop, "SHIP", TEA=1) as observed:
        (part,) = await observed.parts()
        place = part["location"]["code"]
        till = till if place == shop.code("S1") else await open_till(shop, "S2")
        units = 1 if place == shop.code("S1") else 5
        assert await till.verdicts(till.sale(TEA=units)) == ["APPLIED"]

        async def resourced() -> Any:
            await sweeps.resource_shortages(shop.hub.work)
            return "fulfillment.updated" in _types(await order_state(shop, observed.order))

        await wait_until(resourced)
        await observed.wait_for_event("fulfillment.updated")


async def test_events_of_a_till_change_availability_in_app_and_web(shop: Shop) -> None:
    """Events of posSync reach subscriptions to availability and a webhook."""
    await shop.receive(TEA_S1=10)
    query = """subscription ($c: String!, $s: [String!]!) { availabilityChanged(channel: $c, skus: $s) {
        availability { quantity } } }"""
    till = await open_till(shop, "S1")

    async def follow(client: Client, channel: str) -> Any:
        return client.subscribe(query, c=shop.code(channel), s=[shop.sku("TEA")])

    async with (
        webhook_receiver() as receiver,
        await follow(shop.guest(), "app") as app,
        await follow(shop.guest(), "web") as web,
    ):
        made = await shop.staff.mutate(
            f"mutation ($i: EndpointInput!) {{ endpointCreate(input: $i) {{ endpoint {{ id }} {ERRORS} }} }}",
            i={"url": receiver.url, "types": ["stock.changed", "terminal.synced"]},
        )
        assert [(await f.next())["availability"]["quantity"] for f in (app, web)] == [10, 10]
        assert await till.verdicts(till.sale(TEA=2), till.stock_fact("DAMAGE", TEA=1)) == ["APPLIED", "APPLIED"]
        for subscription in (app, web):
            await subscription.until(lambda s: s["availability"]["quantity"] == 7)
        level = (await shop.stock_level("TEA", "S1"))["id"]
        await receiver.wait_until(lambda: any(one.event["subject"] == level for one in receiver.accepted))
        await receiver.wait_until(lambda: any(one.event["type"] == "terminal.synced" for one in receiver.accepted))
        await shop.staff.mutate(
            f"mutation ($id: ID!) {{ endpointDelete(id: $id) {{ {ERRORS} }} }}", id=made["endpoint"]["id"]
        )
