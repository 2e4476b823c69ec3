"""Queries of carts."""

from __future__ import annotations

import strawberry

from uriba.core import ids
from uriba.graphql.cart.types import Cart, cart_of
from uriba.graphql.context import Info
from uriba.graphql.permissions import PUBLIC, query


@strawberry.type
class CartQueries:
    @query(
        PUBLIC,
        "A cart by its id. A guest's is visible to all who know its id, a customer's to the customer and the retailer.",
    )
    async def cart(self, info: Info, id: strawberry.ID) -> Cart | None:
        return await cart_by_id(info, id)


async def cart_by_id(info: Info, id: str) -> Cart | None:
    """Return the cart of a global id, unless the caller may not see it."""
    key = ids.uuid(id, "Cart")
    view = await info.context.loaders.cart.get(key) if key else None
    return cart_of(view) if view else None
