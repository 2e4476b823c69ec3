"""Reads of orders."""

from __future__ import annotations

import strawberry

from uriba.catalog import locations
from uriba.core import fields, ids
from uriba.core.errors import NotFound
from uriba.graphql.context import Info
from uriba.graphql.orders.types import Order, OrderConnection, order_of, page_of_orders
from uriba.graphql.permissions import PUBLIC, SHOP, query
from uriba.orders import queries
from uriba.orders.models import OrderStatus


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

    @query(SHOP, "Orders, newest first. For terminals, apps and staff.")
    async def orders(
        self,
        info: Info,
        first: int | None = 20,
        after: str | None = None,
        channel: str | None = None,
        location: str | None = None,
        status: OrderStatus | None = None,
        receipt: str | None = None,
    ) -> OrderConnection:
        channel_id = (await info.context.channel(channel)).id if channel is not None else None
        location_id = None
        if location is not None:
            async with info.context.reading() as session:
                found = (await locations.by_code(session, [location])).get(location)
            if found is None:
                raise NotFound("There is no such location.", "location")
            location_id = found["id"]
        return await page_of_orders(
            info,
            first=20 if first is None else first,
            after=after,
            channel_id=channel_id,
            location_id=location_id,
            status=status,
            receipt=receipt,
        )


async def order_by_id(info: Info, id: str) -> Order | None:
    key = ids.uuid(id, "Order")
    row = await info.context.loaders.order.get(key) if key else None
    return order_of(row) if row else None
