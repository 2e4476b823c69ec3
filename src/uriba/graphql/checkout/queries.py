"""Reads before checkout."""

from __future__ import annotations

import strawberry

from uriba.checkout import delivery_options
from uriba.core import ids
from uriba.fulfillment.sourcing.geography import UNKNOWN_DESTINATION
from uriba.graphql.checkout.types import CheckoutOptions, options_of
from uriba.graphql.context import Info
from uriba.graphql.permissions import PUBLIC, query


@strawberry.input(description="Where the customer is: a latitude and a longitude, or what is known of the address.")
class NearInput:
    latitude: float | None = strawberry.field(default=None, description="In degrees, north of the equator.")
    longitude: float | None = strawberry.field(default=None, description="In degrees, east of Greenwich.")
    region: str | None = None
    postal_code: str | None = None


@strawberry.type
class CheckoutQueries:
    @query(
        PUBLIC,
        "What could be done with an active cart, before its customer decides: carried out, picked up where and when, "
        "shipped in how many parcels. For whoever may use the cart; nothing is held.",
    )
    async def checkout_options(
        self, info: Info, cart_id: strawberry.ID, near: NearInput | None = None
    ) -> CheckoutOptions | None:
        around = UNKNOWN_DESTINATION if near is None else delivery_options.near(**vars(near))
        key = ids.uuid(cart_id, "Cart")
        view = await info.context.loaders.cart.get(key) if key else None
        if view is None:
            return None
        async with info.context.reading() as session:
            return options_of(await delivery_options.of_cart(session, view, actor=info.context.actor, near=around))
