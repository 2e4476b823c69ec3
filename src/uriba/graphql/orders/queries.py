"""Reads of orders."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from uriba.catalog import locations
from uriba.core import fields, ids, pages
from uriba.core.actor import Role
from uriba.core.errors import Invalid, NotFound
from uriba.fulfillment import queries as fulfillments
from uriba.fulfillment.models import PROMISED, FulfillmentStatus
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.orders.fulfillments import FulfillmentConnection, FulfillmentEdge, fulfillment_of
from uriba.graphql.orders.types import Order, OrderConnection, order_of, page_of_orders
from uriba.graphql.permissions import PUBLIC, RETAILER, query
from uriba.orders import queries
from uriba.orders.models import OrderStatus, PaymentStatus
from uriba.orders.search import OrderFilter


@strawberry.type
class OrderQueries:
    @query(
        PUBLIC,
        "An order, by id or number. For its customer, terminals, apps and staff; guests read their cart's.",
    )
    async def order(self, info: Info, id: strawberry.ID | None = None, number: str | None = None) -> Order | None:
        fields.exactly_one(id=id, number=number)
        if id is not None:
            return await order_by_id(info, id)
        async with info.context.reading() as session:
            row = await queries.by_number(session, number or "", actor=info.context.actor)
        return order_of(row) if row else None

    @query(RETAILER, "Orders, newest first, by whatever is known of them. For terminals, apps and staff.")
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
        search = OrderFilter(
            channel_id=(await info.context.channel(channel)).id if channel is not None else None,
            location_id=await location_key(info, location) if location is not None else None,
            status=status,
            receipt=receipt,
            number=number,
            customer=customer,
            payment_status=payment_status,
            placed_from=placed_from,
            placed_to=placed_to,
        )
        return await page_of_orders(info, search, first=20 if first is None else first, after=after)

    @query(
        RETAILER,
        "What a location has to do for orders, the oldest promise first. A terminal's own, where none is named.",
    )
    async def work_queue(
        self,
        info: Info,
        location: str | None = None,
        first: int | None = 20,
        after: str | None = None,
        statuses: list[FulfillmentStatus] | None = None,
    ) -> FulfillmentConnection:
        place = await workplace(info, location)
        size = pages.check_first(20 if first is None else first)
        async with info.context.reading() as session:
            rows = await fulfillments.work_queue(
                session,
                location_id=place,
                statuses=list(PROMISED if statuses is None else statuses),
                first=size,
                after=queries.order_id_of_cursor(pages.after_key(after)),
            )
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(FulfillmentConnection, FulfillmentEdge, page, fulfillment_of)  # type: ignore[no-any-return]


async def workplace(info: Info, location: str | None) -> int:
    """The location whose work a caller may see. Errors: `Invalid`, `NotFound`."""
    actor = info.context.actor
    if location is None and actor.location_id is None:
        raise Invalid("Say which location.", "location")
    place = actor.location_id if location is None else await location_key(info, location)
    assert place is not None
    if actor.role is Role.TERMINAL and place != actor.location_id:
        raise NotFound("There is no such location.", "location")
    return place


async def location_key(info: Info, code: str) -> int:
    """Errors: `NotFound`."""
    async with info.context.reading() as session:
        found = (await locations.by_code(session, [code])).get(code)
    if found is None:
        raise NotFound("There is no such location.", "location")
    return int(found["id"])


async def order_by_id(info: Info, id: str) -> Order | None:
    key = ids.uuid(id, "Order")
    row = await info.context.loaders.order.get(key) if key else None
    return order_of(row) if row else None
