"""Returns of orders."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Location, load_location
from uriba.graphql.context import Info
from uriba.graphql.orders.lines import OrderLine, line_of
from uriba.graphql.scalars import Money, Node, money_of
from uriba.orders.enums import ReturnCondition
from uriba.orders.rows import ReturnLineRow, ReturnRow

if TYPE_CHECKING:
    from uriba.graphql.orders.types import Order

strawberry.enum(
    ReturnCondition,
    description="The condition of returned units. Units that are not SELLABLE become unavailable stock.",
)


@strawberry.type(description="Returned units of an order line.")
class ReturnLine:
    line_key: strawberry.Private[UUID]
    quantity: int
    restocked: bool = strawberry.field(description="Whether the units are available for sale again.")
    condition: ReturnCondition | None = strawberry.field(
        description="The condition of the units; null where they are not kept as stock."
    )
    reason: str | None
    refund: Money = strawberry.field(description="The price of the units, with their tax.")

    @strawberry.field
    async def order_line(self, info: Info) -> OrderLine:
        return line_of(await info.context.loaders.order_line.get(self.line_key))  # type: ignore[arg-type]


def return_line_of(row: ReturnLineRow) -> ReturnLine:
    return ReturnLine(
        line_key=row.order_line_id,
        quantity=row.quantity,
        restocked=row.restocked,
        condition=ReturnCondition(row.condition) if row.condition else None,
        reason=row.reason,
        refund=money_of(row.refund_minor, row.currency),
    )


@strawberry.type(description="Units that were returned to a location, and the refund for them.")
class Return(Node):
    key: strawberry.Private[UUID]
    exchange_key: strawberry.Private[UUID | None]
    location_key: strawberry.Private[int]
    id: strawberry.ID
    refund: Money
    note: str | None
    created_at: datetime

    @strawberry.field
    async def location(self, info: Info) -> Location:
        return await load_location(info, self.location_key)

    @strawberry.field(description="The new order of an exchange.")
    async def exchange(self, info: Info) -> Annotated[Order, strawberry.lazy("uriba.graphql.orders.types")] | None:
        from uriba.graphql.orders.types import order_of

        row = await info.context.loaders.order.get(self.exchange_key) if self.exchange_key else None
        return order_of(row) if row else None

    @strawberry.field
    async def lines(self, info: Info) -> list[ReturnLine]:
        rows = await info.context.loaders.lines_of_return.get(self.key)
        return [return_line_of(row) for row in rows or ()]


def return_of(row: ReturnRow) -> Return:
    return Return(
        key=row.id,
        exchange_key=row.exchange_order_id,
        location_key=row.location_id,
        id=strawberry.ID(global_id("Return", row.id)),
        refund=money_of(row.refund_minor, row.currency),
        note=row.note,
        created_at=row.created_at,
    )
