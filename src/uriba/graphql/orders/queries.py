"""Queries of orders and of the work queue."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from uriba.catalog import locations
from uriba.core import fields, ids, pages
from uriba.fulfillment import queries as fulfillments
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.orders.fulfillments import FulfillmentConnection, FulfillmentEdge, fulfillment_of
from uriba.graphql.orders.types import Order, OrderConnection, order_of, page_of_orders
from uriba.graphql.permissions import PUBLIC, RETAILER, query
from uriba.orders import queries
from uriba.orders.enums import OrderStatus, PaymentStatus
from uriba.orders.search import OrderFilter


@strawberry.type
class OrderQueries:
    @query(
        PUBLIC,
        "An order, by id or number. For its customer, terminals, apps and staff. Guests read the order of their cart.",
    )
    async def order(self, info: Info, id: strawberry.ID | None = None, number: str | None = None) -> Order | None:
        fields.exactly_one(id=id, number=number)
        if id is not None:
            return await order_by_id(info, id)
        async with info.context.reading() as session:
            row = await queries.by_number(session, number or "", actor=info.context.actor)
        return order_of(row) if row else None

    @query(RETAILER, "Orders that meet all of the conditions, newest first. For terminals, apps and staff.")
    async def orders(
        self,
        info: Info,
        first: int | None = 20,
        after: str | None = None,
        channel: str | None = None,
        location: str | None = None,
        status: OrderStatus | None = None,
        receipt: str | None = None,
        number: str | None = None,
        customer: Annotated[
            str | None, strawberry.argument(description="A loyalty card, e-mail address or phone number.")
        ] = None,
        payment_status: PaymentStatus | None = None,
        placed_from: datetime | None = None,
        placed_to: datetime | None = None,
    ) -> OrderConnection:
        order_filter = OrderFilter(
            channel_id=(await info.context.channel(channel)).id if channel is not None else None,
            location_id=await location_id_of_code(info, location) if location is not None else None,
            status=status,
            receipt=receipt,
            number=number,
            customer=customer,
            payment_status=payment_status,
            placed_from=placed_from,
            placed_to=placed_to,
        )
        return await page_of_orders(info, order_filter, first=20 if first is None else first, after=after)

    @query(
        RETAILER,
        "The fulfillments that a location has to handle, the oldest promise first. Default: a terminal's own location.",
    )
    async def work_queue(
        self,
        info: Info,
        location: str | None = None,
        first: int | None = 20,
        after: str | None = None,
        statuses: list[FulfillmentStatus] | None = None,
    ) -> FulfillmentConnection:
        size = pages.check_first(20 if first is None else first)
        after_id = pages.after_uuid(after)
        async with info.context.reading() as session:
            place_id = await locations.id_for_actor(session, location, actor=info.context.actor)
            rows = await fulfillments.work_queue(
                session, location_id=place_id, statuses=statuses, first=size, after=after_id
            )
        page = pages.page(rows, first=size, after=after, key=lambda row: row.id)
        return connect(FulfillmentConnection, FulfillmentEdge, page, fulfillment_of)  # type: ignore[no-any-return]


async def location_id_of_code(info: Info, code: str) -> int:
    """Return the id of the location with this code. Errors: `NotFound`."""
    async with info.context.reading() as session:
        return await locations.id_by_code(session, code)


async def order_by_id(info: Info, id: str) -> Order | None:
    key = ids.uuid(id, "Order")
    row = await info.context.loaders.order.get(key) if key else None
    return order_of(row) if row else None
