"""Live orders, and a location's live work."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from uuid import UUID

import strawberry

from uriba.cart.models import FulfillmentMethod
from uriba.core import ids
from uriba.db import Row
from uriba.fulfillment import queries
from uriba.fulfillment.models import PROMISED
from uriba.graphql.context import Info
from uriba.graphql.engine.live_feed import Change
from uriba.graphql.engine.subscriptions import State, not_found, subscribe, subscribe_to_one
from uriba.graphql.orders.fulfillments import Fulfillment, fulfillment_of
from uriba.graphql.orders.queries import workplace
from uriba.graphql.orders.types import Order, order_of
from uriba.graphql.permissions import PUBLIC, RETAILER, subscription
from uriba.orders.events import order_subject

PAGE = 100


@strawberry.type
class OrderSubscriptions:
    @subscription(PUBLIC, "An order now, and after every change. For its customer and the retailer's keys.")
    async def order_changed(self, info: Info, order_id: strawberry.ID) -> AsyncGenerator[Order, None]:
        key = ids.uuid(order_id, "Order")
        if key is None:
            raise not_found("order", "orderId")

        async def read() -> tuple[Order, int] | None:
            row = await info.context.loaders.order.get(key)
            return (order_of(row), row["version"]) if row else None

        async for order in subscribe_to_one(info, order_subject(key), read, missing=not_found("order", "orderId")):
            yield order

    @subscription(
        RETAILER,
        "What a location has to do for orders: all of it now, then each part as it changes. One that is no longer to "
        "be worked on says so by its status. For terminals (their own location), apps and staff.",
    )
    async def work_queue_changed(self, info: Info, location: str | None = None) -> AsyncGenerator[Fulfillment, None]:
        place = await workplace(info, location)

        async def present() -> AsyncIterator[State[Fulfillment]]:
            async for row in _work(info, place):
                yield _state(row)

        async def changed(change: Change) -> AsyncIterator[State[Fulfillment]]:
            order_id = UUID(change.subject.removeprefix("Order:"))
            for row in await info.context.loaders.fulfillments_of_order.get(order_id) or ():
                if row["location_id"] == place and row["method"] != FulfillmentMethod.CARRY_OUT:
                    yield _state(row)

        watch = info.context.live_feed.watch_matching(lambda subject: subject.startswith("Order:"))
        async with aclosing(subscribe(info, watch=watch, present=present, changed=changed)) as states:
            async for fulfillment in states:
                yield fulfillment


def _state(row: Row) -> State[Fulfillment]:
    # Of one version: what is the same is not shown again.
    return State(f"Fulfillment:{row['id']}", 0, fulfillment_of(row))


async def _work(info: Info, place: int) -> AsyncIterator[Row]:
    """All that is to be done, page by page, the oldest promise first."""
    after: UUID | None = None
    while True:
        async with info.context.reading() as session:
            rows = await queries.work_queue(
                session, location_id=place, statuses=list(PROMISED), first=PAGE, after=after
            )
        info.context.reset_loaders()
        for row in rows[:PAGE]:
            yield row
        if len(rows) <= PAGE:
            return
        after = rows[PAGE - 1]["id"]
