"""Subscriptions to carts."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import strawberry

from uriba.cart.events import cart_subject
from uriba.core import ids
from uriba.graphql.cart.types import Cart, cart_of
from uriba.graphql.context import Info
from uriba.graphql.engine.subscriptions import not_found, subscribe_to_one
from uriba.graphql.permissions import PUBLIC, subscription


@strawberry.type
class CartSubscriptions:
    @subscription(PUBLIC, "The cart now, and after every change of it. Once ordered, also after changes of its order.")
    async def cart_changed(self, info: Info, cart_id: strawberry.ID) -> AsyncGenerator[Cart, None]:
        key = ids.uuid(cart_id, "Cart")
        if key is None:
            raise not_found("cart", "cartId")

        async def read() -> tuple[Cart, int] | None:
            view = await info.context.loaders.cart.get(key)
            return (cart_of(view), view.events) if view else None

        async for cart in subscribe_to_one(info, cart_subject(key), read, missing=not_found("cart", "cartId")):
            yield cart
