"""Delivery options of a cart, before its customer decides. No stock is held: only a checkout takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from uriba.cart.enums import CartStatus
from uriba.cart.errors import CartNotActive
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
    """Units at the location of the calling terminal, safety stock included. `whole`: all of them are there."""

    quantity: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Pickup:
    """Units that a store could have ready by `ready_by`. `whole`: the store has all of them."""

    location_id: int
    quantity: int
    whole: bool
    ready_by: datetime
    distance_km: float | None


@dataclass(frozen=True, slots=True)
class Shipping:
    """Units that can be shipped: if all, with the number of shipments and the units by location; else with `reason`."""

    quantity: int
    shipments: int | None
    sources: Mapping[int, int]
    reason: str | None = None

    @property
    def possible(self) -> bool:
        return self.reason is None


@dataclass(frozen=True)
class DeliveryOptions:
    """The stock for a cart's lines. `destination`: the customer's location; `shelf`: units at the calling terminal."""

    cart: CartView
    stock: SourcingStock
    shelf: Mapping[int, int] | None
    destination: Destination
    at: datetime

    def carry_out(self, lines: Sequence[LineView]) -> CarryOut | None:
        """Return the units that the calling terminal can hand over at once; None for other callers."""
        if self.shelf is None:
            return None
        requested = _units_by_variant(lines)
        quantity = sum(min(units, max(0, self.shelf.get(v, 0))) for v, units in requested.items())
        return CarryOut(quantity, bool(lines) and quantity == requested.total())

    def pickups(self, lines: Sequence[LineView]) -> list[Pickup]:
        """Return the pickup stores that have units of these lines: nearest first, else in the channel's order."""
        requested = _units_by_variant(lines)
        pickups = [self._pickup(location, requested) for location in self._stores]
        return [pickup for pickup in pickups if pickup.quantity]

    def whole_pickups(self) -> list[Pickup]:
        """Return the stores that have all units of the cart."""
        return [pickup for pickup in self.pickups(self.cart.lines) if pickup.whole]

    def shipping(self, lines: Sequence[LineView]) -> Shipping:
        """Source the shipment of these lines as a checkout would do it now."""
        demands = [Demand(index, line.variant_id, line.quantity) for index, line in enumerate(lines)]
        destination = Destination.of_address(self.cart.address) if self.cart.address else self.destination
        plan = plan_sourcing(demands, self._shippable, destination=destination, shipments_max=self.stock.split_limit)
        match plan:
            case SourcingPlan():
                sources = Counter[int]()
                for assignment in plan.assignments:
                    sources[assignment.location_id] += assignment.quantity
                return Shipping(sources.total(), len(plan.choices), sources)
            case InsufficientStock():
                requested = _units_by_variant(lines)
                units = sum(min(units, plan.available.get(v, units)) for v, units in requested.items())
                return Shipping(units, None, {}, f"Only {units} of {requested.total()} units can be shipped now.")
            case SplitLimitExceeded():
                units = sum(plan.served.values())
                reason = f"This needs {plan.shipments} shipments, but at most {plan.shipments_max} are allowed."
                return Shipping(units, plan.shipments, {}, reason)

    def unavailable_message(self, line: LineView) -> str | None:
        """Return a sentence for a line that no method can deliver; None where one can."""
        if not line.sold:
            return f"{line.variant['name']} is no longer sold here."
        anywhere = any(self.stock.units.get(line.variant_id, {}).values())
        on_shelf = self.shelf is not None and self.shelf.get(line.variant_id, 0) > 0
        return None if anywhere or on_shelf else f"{line.variant['name']} is out of stock everywhere."

    @cached_property
    def _shippable(self) -> Mapping[int, Sequence[Supply]]:
        return self.stock.shippable()

    @cached_property
    def _stores(self) -> list[SourcingLocation]:
        offering = [location for location in self.stock.locations.values() if location.offers_pickup]
        return sorted(offering, key=self._sort_key)

    def _sort_key(self, location: SourcingLocation) -> tuple[bool, float, bool, int]:
        distance = distance_km(location, self.destination)
        return distance is None, distance or 0, not same_region(location, self.destination), location.position

    def _pickup(self, location: SourcingLocation, requested: Counter[int]) -> Pickup:
        units_here = {v: self.stock.units.get(v, {}).get(location.location_id, 0) for v in requested}
        distance = distance_km(location, self.destination)
        return Pickup(
            location_id=location.location_id,
            quantity=sum(min(units, units_here[v]) for v, units in requested.items()),
            whole=all(units_here[v] >= units for v, units in requested.items()),
            ready_by=self.at + timedelta(minutes=location.pickup_ready_minutes),
            distance_km=None if distance is None else round(distance, 1),
        )


def _units_by_variant(lines: Sequence[LineView]) -> Counter[int]:
    requested = Counter[int]()
    for line in lines:
        requested[line.variant_id] += line.quantity
    return requested


async def of_cart(
    session: Session, cart: CartView, *, actor: Actor, destination: Destination = UNKNOWN_DESTINATION
) -> DeliveryOptions:
    """Return the delivery options of an active cart. Errors: `CartNotActive`."""
    if cart.status is not CartStatus.ACTIVE:
        raise CartNotActive(f"This cart is {cart.status.lower()}; only an active cart has delivery options.", "cartId")
    sold = sorted({line.variant_id for line in cart.lines if line.sold})
    stock = await load_stock(session, sold, channel_id=cart.priced_in_id)
    shelf = None
    if actor.role is Role.TERMINAL and actor.location_id is not None:
        shelf = await available_at_till_by_variant(session, sold, location_id=actor.location_id)
    return DeliveryOptions(cart, stock, shelf, destination, clock.now())


def parse_destination(
    *, latitude: float | None, longitude: float | None, region: str | None = None, postal_code: str | None = None
) -> Destination:
    """Return the destination that a customer states. Errors: `Invalid` for coordinates that do not exist."""
    if (latitude is None) != (longitude is None):
        raise Invalid("Give both latitude and longitude, or neither.", "near", "latitude")
    for name, value, most in (("latitude", latitude, 90), ("longitude", longitude, 180)):
        if value is not None and not -most <= value <= most:
            raise Invalid(f"The {name} must be between -{most} and {most} degrees.", "near", name)
    return Destination(
        region=text.optional_text(region, "near", "region"),
        postal_code=text.optional_text(postal_code, "near", "postalCode"),
        latitude=latitude,
        longitude=longitude,
    )
