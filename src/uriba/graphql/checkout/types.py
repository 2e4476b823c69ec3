"""Types of what could be done with a cart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import strawberry

from uriba.cart.view import LineView
from uriba.checkout.delivery_options import Options, Pickup, Shipping
from uriba.core.pages import check_first
from uriba.graphql.cart.types import CartLine, line_of
from uriba.graphql.catalog.types import Location, load_location
from uriba.graphql.context import Info
from uriba.graphql.scalars import Money, money_of


@strawberry.type(description="What the caller's till could hand over at once: safety stock is for that.")
class CarryOutOption:
    quantity: int = strawberry.field(description="Units of what is asked about that are on this shelf.")
    whole: bool = strawberry.field(description="All of it is there.")


@strawberry.type(description="A store where goods could be picked up.")
class PickupOption:
    location_key: strawberry.Private[int]
    quantity: int = strawberry.field(description="Units of what is asked about that this store has.")
    whole: bool = strawberry.field(description="It has all of it.")
    ready_by: datetime = strawberry.field(description="Ordered now, it is ready by then.")
    distance_km: float | None = strawberry.field(description="As the crow flies; null where nobody knows.")

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


@strawberry.type(description="Whether all of it could be shipped, and how checkout would do it now.")
class ShippingOption:
    possible: bool
    quantity: int = strawberry.field(description="Units that can be shipped.")
    parcels: int | None = strawberry.field(description="Parcels that all of it takes; null where there is not enough.")
    sources: list[ShippingSource] = strawberry.field(
        description="Where they come from; empty where it is not possible."
    )
    reason: str | None = strawberry.field(description="Why it is not possible: a sentence that may be shown.")


@strawberry.type(description="What could be done with one line, by itself: lines of one variant share what there is.")
class LineOptions:
    options: strawberry.Private[Options]
    source: strawberry.Private[LineView]
    in_stock: bool = strawberry.field(description="There are some that can be had in some way.")
    message: str | None = strawberry.field(description="If there are none: a sentence that may be shown.")

    @strawberry.field
    def line(self) -> CartLine:
        return line_of(self.source, self.options.cart)

    @strawberry.field(description="Null away from a till.")
    def carry_out(self) -> CarryOutOption | None:
        return _carry_out(self.options, [self.source])

    @strawberry.field(description="Stores with some: the nearest first where `near` says, else in the channel's order.")
    def pickup(self, first: int | None = 10) -> list[PickupOption]:
        return _pickups(self.options.pickups([self.source]), first)

    @strawberry.field
    def shipping(self) -> ShippingOption:
        return _shipping(self.options.shipping([self.source]))


@strawberry.type(description="What could be done with a cart. Nothing is held by asking: only checkout takes stock.")
class CheckoutOptions:
    options: strawberry.Private[Options]
    held: bool = strawberry.field(description="Always false: others may be faster.")
    as_of: datetime

    @strawberry.field
    def lines(self) -> list[LineOptions]:
        return [_line(self.options, line) for line in self.options.cart.lines]

    @strawberry.field(description="Of the whole cart; null away from a till.")
    def carry_out(self) -> CarryOutOption | None:
        return _carry_out(self.options, self.options.cart.lines)

    @strawberry.field(description="Stores that have everything, in the same order as those of lines.")
    def pickup(self, first: int | None = 10) -> list[PickupOption]:
        return _pickups([p for p in self.options.pickups(self.options.cart.lines) if p.whole], first)

    @strawberry.field(description="Of the whole cart.")
    def shipping(self) -> ShippingOption:
        return _shipping(self.options.shipping(self.options.cart.lines))

    @strawberry.field(description="What shipping costs, once per order, before promotions.")
    def shipping_price(self) -> Money:
        terms = self.options.cart.terms
        return money_of(terms.shipping_minor, terms.currency)


def options_of(options: Options) -> CheckoutOptions:
    return CheckoutOptions(options=options, held=False, as_of=options.at)


def _line(options: Options, line: LineView) -> LineOptions:
    message = options.missing(line)
    return LineOptions(options=options, source=line, in_stock=message is None, message=message)


def _carry_out(options: Options, lines: Sequence[LineView]) -> CarryOutOption | None:
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
        parcels=found.parcels,
        sources=[ShippingSource(location_key=place, quantity=units) for place, units in found.sources.items()],
        reason=found.reason,
    )
