"""The type of customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from uriba.core.ids import global_id
from uriba.graphql.context import Info
from uriba.graphql.scalars import Node
from uriba.stored_value.queries import NO_POINTS, PointsBalance

if TYPE_CHECKING:
    from uriba.graphql.cart.types import Cart
    from uriba.graphql.orders.types import OrderConnection
    from uriba.graphql.stored_value.types import PointsEntryConnection

CARTS_MAX = 20


@strawberry.type(description="A customer. Visible to the customer and to the retailer's own keys only.")
class Customer(Node):
    key: strawberry.Private[UUID]
    id: strawberry.ID
    name: str | None
    email: str | None
    phone: str | None
    loyalty_card: str | None

    @strawberry.field(description="The customer's carts: the active one first, then the newest; at most 20.")
    async def carts(self, info: Info) -> list[Annotated[Cart, strawberry.lazy("uriba.graphql.cart.types")]]:
        from uriba.cart import queries
        from uriba.graphql.cart.types import cart_of

        async with info.context.reading() as session:
            ids = await queries.ids_of_customer(session, self.key, limit=CARTS_MAX)
            found = await queries.by_id(session, ids, actor=info.context.actor)
        return [cart_of(found[cart_id]) for cart_id in ids if cart_id in found]

    @strawberry.field(description="The customer's orders, newest first.")
    async def orders(
        self, info: Info, first: int | None = 20, after: str | None = None
    ) -> Annotated[OrderConnection, strawberry.lazy("uriba.graphql.orders.types")]:
        from uriba.graphql.orders.types import page_of_orders
        from uriba.orders.search import OrderFilter

        return await page_of_orders(
            info, OrderFilter(customer_id=self.key), first=20 if first is None else first, after=after
        )

    @strawberry.field(description="Loyalty points that can be spent.")
    async def points(self, info: Info) -> int:
        return (await _points(info, self.key)).balance

    @strawberry.field(description="Reversed points that had already been spent. Points earned next pay these first.")
    async def points_owed(self, info: Info) -> int:
        return (await _points(info, self.key)).owed

    @strawberry.field(description="The customer's points ledger, newest first.")
    async def points_entries(
        self, info: Info, first: int | None = 20, after: str | None = None
    ) -> Annotated[PointsEntryConnection, strawberry.lazy("uriba.graphql.stored_value.types")]:
        from uriba.graphql.stored_value.types import page_of_points

        return await page_of_points(info, self.key, first=20 if first is None else first, after=after)


async def _points(info: Info, customer_id: UUID) -> PointsBalance:
    return await info.context.loaders.points_of_customer.get(customer_id) or NO_POINTS


def customer_of(row: Mapping[str, Any]) -> Customer:
    """Return the API's object of a customer."""
    return Customer(
        key=row["id"],
        id=strawberry.ID(global_id("Customer", row["id"])),
        name=row["name"],
        email=row["email"],
        phone=row["phone"],
        loyalty_card=row["loyalty_card"],
    )


async def load_customer(info: Info, customer_id: UUID | None) -> Customer | None:
    """Return the customer of a cart or an order; None if there is none, or if the caller may not see them."""
    if customer_id is None or not info.context.actor.may_see_customer(customer_id):
        return None
    row = await info.context.loaders.customer.get(customer_id)
    return customer_of(row) if row else None
