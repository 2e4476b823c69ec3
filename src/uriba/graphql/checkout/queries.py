"""Queries of delivery options."""

from __future__ import annotations

import strawberry

from uriba.checkout import delivery_options
from uriba.core import ids
from uriba.fulfillment.sourcing.geography import UNKNOWN_DESTINATION
from uriba.graphql.checkout.types import CheckoutOptions, options_of
from uriba.graphql.context import Info
from uriba.graphql.permissions import PUBLIC, query


@strawberry.input(description="Where the customer is: latitude and longitude, or the known parts of the address.")
class NearInput:
    latitude: float | None = strawberry.field(default=None, description="In degrees, north of the equator.")
    longitude: float | None = strawberry.field(default=None, description="In degrees, east of Greenwich.")
    region: str | None = None
    postal_code: str | None = None


@strawberry.type
class CheckoutQueries:
    @query(
        PUBLIC,
        "The delivery options of an active cart: units that can be carried out, the stores and times of a pickup, and "
        "the shipments. For callers who may see the cart. No stock is held.",
    )
    async def checkout_options(
        self, info: Info, cart_id: strawberry.ID, near: NearInput | None = None
    ) -> CheckoutOptions | None:
        destination = UNKNOWN_DESTINATION if near is None else delivery_options.parse_destination(**vars(near))
        key = ids.uuid(cart_id, "Cart")
        view = await info.context.loaders.cart.get(key) if key else None
        if view is None:
            return None
        async with info.context.reading() as session:
            options = await delivery_options.of_cart(session, view, actor=info.context.actor, destination=destination)
        return options_of(options)
