"""Types of delivery options."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import strawberry

from uriba.cart.view import LineView
from uriba.checkout.delivery_options import DeliveryOptions, Pickup, Shipping
from uriba.core.pages import check_first
from uriba.graphql.cart.types import CartLine, line_of
from uriba.graphql.catalog.types import Location, load_location
from uriba.graphql.context import Info
from uriba.graphql.scalars import Money, money_of


@strawberry.type(description="Units that the calling terminal can hand over at once, safety stock included.")
class CarryOutOption:
    quantity: int = strawberry.field(description="Units that the terminal's location has.")
    whole: bool = strawberry.field(description="Whether all units are there.")


@strawberry.type(description="A store where the goods could be picked up.")
class PickupOption:
    location_key: strawberry.Private[int]
    quantity: int = strawberry.field(description="Units that this store has.")
    whole: bool = strawberry.field(description="Whether the store has all units.")
    ready_by: datetime = strawberry.field(description="When the goods are ready if they are ordered now.")
    distance_km: float | None = strawberry.field(
        description="Straight-line distance; null where a position is unknown."
    )

    @strawberry.field
    async def location(self, info: Info) -> Location:
        return await load_location(info, self.location_key)


@strawberry.type(description="Units that one location would ship.")
class ShippingSource:
    location_key: strawberry.Private[int]
    quantity: int

    @strawberry.field
    async def location(self, info: Info) -> Location:
        return await load_location(info, self.location_key)


@strawberry.type(description="Whether all units can be shipped, and from where a checkout would ship them now.")
class ShippingOption:
    possible: bool
    quantity: int = strawberry.field(description="Units that can be shipped.")
    shipments: int | None = strawberry.field(
        name="parcels", description="Shipments that all units need; null where stock is not enough."
    )
    sources: list[ShippingSource] = strawberry.field(
        description="The locations that ship; empty where it is not possible."
    )
    reason: str | None = strawberry.field(description="Why it is not possible, as a sentence for the customer.")


@strawberry.type(description="The delivery options of one line by itself. Lines of the same variant share its stock.")
class LineOptions:
    options: strawberry.Private[DeliveryOptions]
    source: strawberry.Private[LineView]
    in_stock: bool = strawberry.field(description="Whether at least one unit can be delivered by some method.")
    message: str | None = strawberry.field(description="If not in stock: a sentence for the customer.")

    @strawberry.field
    def line(self) -> CartLine:
        return line_of(self.source, self.options.cart)

    @strawberry.field(description="Null unless a terminal calls.")
    def carry_out(self) -> CarryOutOption | None:
        return _carry_out(self.options, [self.source])

    @strawberry.field(
        description="Stores that have units: nearest first where `near` is given, else in the channel's order."
    )
    def pickup(self, first: int | None = 10) -> list[PickupOption]:
        return _pickups(self.options.pickups([self.source]), first)

    @strawberry.field
    def shipping(self) -> ShippingOption:
        return _shipping(self.options.shipping([self.source]))


@strawberry.type(description="The delivery options of a cart. No stock is held: only checkout takes it.")
class CheckoutOptions:
    options: strawberry.Private[DeliveryOptions]
    held: bool = strawberry.field(description="Always false: other customers may buy the stock first.")
    as_of: datetime

    @strawberry.field
    def lines(self) -> list[LineOptions]:
        return [_line(self.options, line) for line in self.options.cart.lines]

    @strawberry.field(description="For the whole cart; null unless a terminal calls.")
    def carry_out(self) -> CarryOutOption | None:
        return _carry_out(self.options, self.options.cart.lines)

    @strawberry.field(description="Stores that have all units of the cart, in the order of `LineOptions.pickup`.")
    def pickup(self, first: int | None = 10) -> list[PickupOption]:
        return _pickups(self.options.whole_pickups(), first)

    @strawberry.field(description="For the whole cart.")
    def shipping(self) -> ShippingOption:
        return _shipping(self.options.shipping(self.options.cart.lines))

    @strawberry.field(description="The price of shipping, once per order, before promotions.")
    def shipping_price(self) -> Money:
        terms = self.options.cart.terms
        return money_of(terms.shipping_minor, terms.currency)


def options_of(options: DeliveryOptions) -> CheckoutOptions:
    return CheckoutOptions(options=options, held=False, as_of=options.at)


def _line(options: DeliveryOptions, line: LineView) -> LineOptions:
    message = options.unavailable_message(line)
    return LineOptions(options=options, source=line, in_stock=message is None, message=message)


def _carry_out(options: DeliveryOptions, lines: Sequence[LineView]) -> CarryOutOption | None:
    found = options.carry_out(lines)
    return None if found is None else CarryOutOption(quantity=found.quantity, whole=found.whole)


def _pickups(found: Sequence[Pickup], first: int | None) -> list[PickupOption]:
    return [
        PickupOption(
            location_key=pickup.location_id,
            quantity=pickup.quantity,
            whole=pickup.whole,
            ready_by=pickup.ready_by,
            distance_km=pickup.distance_km,
        )
        for pickup in found[: check_first(10 if first is None else first)]
    ]


def _shipping(found: Shipping) -> ShippingOption:
    return ShippingOption(
        possible=found.possible,
        quantity=found.quantity,
        shipments=found.shipments,
        sources=[
            ShippingSource(location_key=location_id, quantity=units) for location_id, units in found.sources.items()
        ],
        reason=found.reason,
    )
