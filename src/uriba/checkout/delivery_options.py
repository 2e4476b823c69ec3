"""Options: what could be done with a cart now, before its customer decides. Nothing is held: checkout takes stock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from uriba.cart.errors import CartNotActive
from uriba.cart.models import CartStatus
from uriba.cart.view import CartView, LineView
from uriba.core import clock, text
from uriba.core.actor import Actor, Role
from uriba.core.errors import Invalid
from uriba.db import Session
from uriba.fulfillment.sourcing.geography import (
    UNKNOWN_DESTINATION,
    Destination,
    SourcingLocation,
    distance_km,
    same_region,
)
from uriba.fulfillment.sourcing.selection import (
    Demand,
    InsufficientStock,
    SourcingPlan,
    SplitLimitExceeded,
    Supply,
    plan_sourcing,
)
from uriba.fulfillment.sourcing.stock import SourcingStock, load_stock
from uriba.inventory.queries import available_at_till_by_variant


@dataclass(frozen=True, slots=True)
class CarryOut:
    """Units on the shelf of the caller's till, safety stock included."""

    quantity: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Pickup:
    """Units that a store could have ready by then."""

    location_id: int
    quantity: int
    whole: bool
    ready_by: datetime
    distance_km: float | None


@dataclass(frozen=True, slots=True)
class Shipping:
    """Units that can be shipped; all of them in so many parcels from these locations, or the reason why not all."""

    quantity: int
    parcels: int | None
    sources: Mapping[int, int]
    reason: str | None = None

    @property
    def possible(self) -> bool:
        return self.reason is None


@dataclass(frozen=True)
class Options:
    """What there is for a cart's lines; `near`: where its customer is, `shelf`: what the caller's till has."""

    cart: CartView
    stock: SourcingStock
    shelf: Mapping[int, int] | None
    near: Destination
    at: datetime

    def carry_out(self, lines: Sequence[LineView]) -> CarryOut | None:
        """What the caller could hand over at once; None away from a till."""
        if self.shelf is None:
            return None
        wanted = _wanted(lines)
        quantity = sum(min(units, max(0, self.shelf.get(v, 0))) for v, units in wanted.items())
        return CarryOut(quantity, bool(lines) and quantity == wanted.total())

    def pickups(self, lines: Sequence[LineView]) -> list[Pickup]:
        """Stores with some of these lines that offer pickup: the nearest first, else in the channel's order."""
        wanted = _wanted(lines)
        found = [self._pickup(place, wanted) for place in self._stores]
        return [pickup for pickup in found if pickup.quantity]

    def shipping(self, lines: Sequence[LineView]) -> Shipping:
        """Whether these lines could be shipped, as checkout would do it now."""
        needs = [Demand(index, line.variant_id, line.quantity) for index, line in enumerate(lines)]
        destination = Destination.of_address(self.cart.address) if self.cart.address else self.near
        found = plan_sourcing(needs, self._shippable, destination=destination, shipments_max=self.stock.split_limit)
        match found:
            case SourcingPlan():
                sources = Counter[int]()
                for assignment in found.assignments:
                    sources[assignment.location_id] += assignment.quantity
                return Shipping(sources.total(), len(found.choices), sources)
            case InsufficientStock():
                wanted = _wanted(lines)
                units = sum(min(units, found.available.get(v, units)) for v, units in wanted.items())
                return Shipping(units, None, {}, f"{units} of {wanted.total()} can be shipped.")
            case SplitLimitExceeded():
                units = sum(found.served.values())
                return Shipping(units, found.shipments, {}, f"{found.shipments_max} parcels at most are shipped.")

    def missing(self, line: LineView) -> str | None:
        """What there is to say of a line that cannot be had in any way."""
        if not line.sold:
            return f"{line.variant['name']} is not sold here any more."
        anywhere = any(self.stock.units.get(line.variant_id, {}).values())
        on_shelf = self.shelf is not None and self.shelf.get(line.variant_id, 0) > 0
        return None if anywhere or on_shelf else f"{line.variant['name']} is nowhere in stock now."

    @cached_property
    def _shippable(self) -> Mapping[int, Sequence[Supply]]:
        return self.stock.shippable()

    @cached_property
    def _stores(self) -> list[SourcingLocation]:
        offered = [place for place in self.stock.locations.values() if place.offers_pickup]
        return sorted(offered, key=self._remoteness)

    def _remoteness(self, place: SourcingLocation) -> tuple[bool, float, bool, int]:
        away = distance_km(place, self.near)
        return away is None, away or 0, not same_region(place, self.near), place.position

    def _pickup(self, place: SourcingLocation, wanted: Counter[int]) -> Pickup:
        has = {v: self.stock.units.get(v, {}).get(place.location_id, 0) for v in wanted}
        away = distance_km(place, self.near)
        return Pickup(
            location_id=place.location_id,
            quantity=sum(min(units, has[v]) for v, units in wanted.items()),
            whole=all(has[v] >= units for v, units in wanted.items()),
            ready_by=self.at + timedelta(minutes=place.pickup_ready_minutes),
            distance_km=None if away is None else round(away, 1),
        )


def _wanted(lines: Sequence[LineView]) -> Counter[int]:
    wanted = Counter[int]()
    for line in lines:
        wanted[line.variant_id] += line.quantity
    return wanted


async def of_cart(
    session: Session, cart: CartView, *, actor: Actor, near: Destination = UNKNOWN_DESTINATION
) -> Options:
    """What could be done with an active cart.

    Errors: `CartNotActive`.
    """
    if cart.status is not CartStatus.ACTIVE:
        raise CartNotActive(f"This cart is {cart.status.lower()}; there is nothing to decide.", "cartId")
    sold = sorted({line.variant_id for line in cart.lines if line.sold})
    stock = await load_stock(session, sold, channel_id=cart.priced_in_id)
    shelf = None
    if actor.role is Role.TERMINAL and actor.location_id is not None:
        shelf = await available_at_till_by_variant(session, sold, location_id=actor.location_id)
    return Options(cart, stock, shelf, near, clock.now())


def near(
    *, latitude: float | None, longitude: float | None, region: str | None = None, postal_code: str | None = None
) -> Destination:
    """Where a customer says to be.

    Errors: `Invalid` for what is no place on earth.
    """
    if (latitude is None) != (longitude is None):
        raise Invalid("A place on earth is a latitude and a longitude.", "near", "latitude")
    for name, value, most in (("latitude", latitude, 90), ("longitude", longitude, 180)):
        if value is not None and not -most <= value <= most:
            raise Invalid(f"This is between -{most} and {most} degrees.", "near", name)
    return Destination(
        region=text.optional_text(region, "near", "region"),
        postal_code=text.optional_text(postal_code, "near", "postalCode"),
        latitude=latitude,
        longitude=longitude,
    )
