"""Subscriptions to an order and to a location's work queue."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from uuid import UUID

import strawberry

from uriba.catalog import locations
from uriba.core import ids
from uriba.fulfillment import queries
from uriba.fulfillment.queries import FulfillmentRow
from uriba.graphql.context import Info
from uriba.graphql.engine.live_feed import Change
from uriba.graphql.engine.subscriptions import State, not_found, subscribe, subscribe_to_one
from uriba.graphql.orders.fulfillments import Fulfillment, fulfillment_of
from uriba.graphql.orders.types import Order, order_of
from uriba.graphql.permissions import PUBLIC, RETAILER, subscription
from uriba.orders.events import SUBJECT_PREFIX, order_id_of_subject, order_subject

PAGE_SIZE = 100


@strawberry.type
class OrderSubscriptions:
    @subscription(PUBLIC, "An order now, and after every change. For its customer, terminals, apps and staff.")
    async def order_changed(self, info: Info, order_id: strawberry.ID) -> AsyncGenerator[Order, None]:
        key = ids.uuid(order_id, "Order")
        if key is None:
            raise not_found("order", "orderId")

        async def read() -> tuple[Order, int] | None:
            row = await info.context.loaders.order.get(key)
            return (order_of(row), row.version) if row else None

        async for order in subscribe_to_one(info, order_subject(key), read, missing=not_found("order", "orderId")):
            yield order

    @subscription(
        RETAILER,
        "The fulfillments that a location has to handle: all of them now, then each one as it changes. The status of a "
        "fulfillment says whether it is still to be handled. For terminals (their own location), apps and staff.",
    )
    async def work_queue_changed(self, info: Info, location: str | None = None) -> AsyncGenerator[Fulfillment, None]:
        async with info.context.reading() as session:
            location_id = await locations.id_for_actor(session, location, actor=info.context.actor)

        async def present() -> AsyncIterator[State[Fulfillment]]:
            async for row in _work_queue(info, location_id):
                yield _state(row)

        async def changed(change: Change) -> AsyncIterator[State[Fulfillment]]:
            order_id = order_id_of_subject(change.subject)
            for row in await info.context.loaders.fulfillments_of_order.get(order_id) or ():
                if row.is_work_of(location_id):
                    yield _state(row)

        watch = info.context.live_feed.watch_matching(lambda subject: subject.startswith(SUBJECT_PREFIX))
        async with aclosing(subscribe(info, watch=watch, present=present, changed=changed)) as states:
            async for fulfillment in states:
                yield fulfillment


def _state(row: FulfillmentRow) -> State[Fulfillment]:
    # Always version 0: a state that equals the last one is not sent again.
    return State(f"Fulfillment:{row.id}", 0, fulfillment_of(row))


async def _work_queue(info: Info, location_id: int) -> AsyncIterator[FulfillmentRow]:
    """Yield the whole work queue, page by page, the oldest promise first."""
    after: UUID | None = None
    while True:
        async with info.context.reading() as session:
            rows = await queries.work_queue(session, location_id=location_id, first=PAGE_SIZE, after=after)
        info.context.reset_loaders()
        for row in rows[:PAGE_SIZE]:
            yield row
        if len(rows) <= PAGE_SIZE:
            return
        after = rows[PAGE_SIZE - 1].id
