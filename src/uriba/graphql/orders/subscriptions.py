"""The live order."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import strawberry

from uriba.core import ids
from uriba.graphql.context import Info
from uriba.graphql.following import follow, not_found
from uriba.graphql.orders.types import Order, order_of
from uriba.graphql.permissions import PUBLIC, subscription
from uriba.orders.events import order_subject


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

        async for order in follow(info, order_subject(key), read, missing=not_found("order", "orderId")):
            yield order
