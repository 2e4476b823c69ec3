"""Fulfillments of orders."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from uriba.cart.enums import FulfillmentMethod
from uriba.core.ids import global_id
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.fulfillment.lifecycle.pickups import visible_pickup_code
from uriba.fulfillment.lifecycle.transitions import next_statuses
from uriba.fulfillment.queries import FulfillmentRow
from uriba.graphql.catalog.types import Location, load_location
from uriba.graphql.context import Info
from uriba.graphql.orders.lines import OrderLine, line_of
from uriba.graphql.scalars import Node, PageInfo

if TYPE_CHECKING:
    from uriba.graphql.orders.types import Order

strawberry.enum(FulfillmentStatus, description="The status of a fulfillment.")


@strawberry.type(description="Units of an order line in a fulfillment.")
class FulfillmentLine:
    line_key: strawberry.Private[UUID]
    quantity: int

    @strawberry.field
    async def order_line(self, info: Info) -> OrderLine:
        return line_of(await info.context.loaders.order_line.get(self.line_key))  # type: ignore[arg-type]


@strawberry.type(description="A part of an order that one location handles in one way.")
class Fulfillment(Node):
    key: strawberry.Private[UUID]
    location_key: strawberry.Private[int]
    order_key: strawberry.Private[UUID]
    code: strawberry.Private[str | None]
    id: strawberry.ID
    method: FulfillmentMethod
    status: FulfillmentStatus
    tracking: str | None
    reason: str | None = strawberry.field(description="Why it was rejected or cancelled.")
    ready_by: datetime | None = strawberry.field(description="When the units should be ready for pickup.")
    hold_until: datetime | None = strawberry.field(description="Until when a pickup that is ready is kept.")
    sourcing: JSON | None = strawberry.field(
        description="Why this location was chosen: the sourcing rules that decided, in order."
    )
    next_statuses: list[FulfillmentStatus] = strawberry.field(description="The statuses that it can change to.")

    @strawberry.field(description="The code that the customer names at the counter. Null for tills and staff.")
    async def pickup_code(self, info: Info) -> str | None:
        return visible_pickup_code(self.code, actor=info.context.actor)

    @strawberry.field
    async def location(self, info: Info) -> Location | None:
        return await load_location(info, self.location_key)

    @strawberry.field(description="The order of the fulfillment.")
    async def order(self, info: Info) -> Annotated[Order, strawberry.lazy("uriba.graphql.orders.types")] | None:
        from uriba.graphql.orders.types import order_of

        row = await info.context.loaders.order.get(self.order_key)
        return order_of(row) if row else None

    @strawberry.field
    async def lines(self, info: Info) -> list[FulfillmentLine]:
        rows = await info.context.loaders.lines_of_fulfillment.get(self.key)
        return [FulfillmentLine(line_key=row.order_line_id, quantity=row.quantity) for row in rows or ()]


def fulfillment_of(row: FulfillmentRow) -> Fulfillment:
    method, status = FulfillmentMethod(row.method), FulfillmentStatus(row.status)
    return Fulfillment(
        key=row.id,
        location_key=row.location_id,
        order_key=row.order_id,
        code=row.pickup_code,
        id=strawberry.ID(global_id("Fulfillment", row.id)),
        method=method,
        status=status,
        tracking=row.tracking,
        reason=row.reason,
        ready_by=row.ready_by,
        hold_until=row.hold_until,
        sourcing=None if row.sourcing is None else JSON(row.sourcing),
        next_statuses=list(next_statuses(method, status)),
    )


@strawberry.type
class FulfillmentEdge:
    node: Fulfillment
    cursor: str


@strawberry.type
class FulfillmentConnection:
    edges: list[FulfillmentEdge]
    page_info: PageInfo
