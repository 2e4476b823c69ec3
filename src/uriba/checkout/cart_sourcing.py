"""Allotment: where the goods of a cart come from, by the rules of sourcing, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uriba.cart.models import FulfillmentMethod
from uriba.cart.view import CartView, LineView
from uriba.core.errors import Code, DomainError, Refusals
from uriba.db import Session
from uriba.fulfillment.sourcing import explain as reasons
from uriba.fulfillment.sourcing.geography import Destination
from uriba.fulfillment.sourcing.selection import (
    Assignment,
    Demand,
    InsufficientStock,
    SplitLimitExceeded,
    plan_sourcing,
)
from uriba.fulfillment.sourcing.stock import SourcingStock, load_stock
from uriba.inventory.errors import OutOfStock


@dataclass(frozen=True, slots=True)
class Allotment:
    """What locations send, and why each of them does."""

    pieces: tuple[Assignment, ...]
    reasons: Mapping[int, Mapping[str, Any]]

    def why(self, location_id: int, method: FulfillmentMethod) -> Mapping[str, Any] | None:
        """Why a parcel comes from there. What is carried out needs no reason."""
        match method:
            case FulfillmentMethod.SHIP:
                return self.reasons[location_id]
            case FulfillmentMethod.PICKUP:
                return reasons.CHOSEN_BY_CUSTOMER
        return None


NOTHING = Allotment((), {})


async def allot(
    session: Session, cart: CartView, lines: Sequence[LineView], placed: Sequence[Assignment]
) -> Allotment | InsufficientStock:
    """Where the lines to be shipped come from, of what the lines whose location is given leave there.

    Errors: `Invalid` for a store that offers no pickup any more, `OutOfStock` for more parcels than the channel ships.
    """
    needs = to_ship(lines)
    stores = {line.location_id for line in lines if line.method is FulfillmentMethod.PICKUP and line.location_id}
    if not needs and not stores:
        return NOTHING
    stock = await load_stock(session, {n.variant_id for n in needs}, channel_id=cart.priced_in_id, store_ids=stores)
    _refuse_pickups(lines, stock)
    found = plan_sourcing(
        needs,
        stock.shippable(assigned=placed),
        destination=Destination.of_address(cart.address),
        shipments_max=stock.split_limit,
    )
    if isinstance(found, InsufficientStock):
        return found
    if isinstance(found, SplitLimitExceeded):
        raise too_many_parcels(lines, needs, found)
    skus = {line.variant_id: line.variant["sku"] for line in lines}
    return Allotment(found.assignments, reasons.explanations(found, stock.locations, skus))


def to_ship(lines: Sequence[LineView]) -> list[Demand]:
    """The units that are to be shipped."""
    return [
        Demand(index, line.variant_id, line.quantity)
        for index, line in enumerate(lines)
        if line.method is FulfillmentMethod.SHIP
    ]


def _refuse_pickups(lines: Sequence[LineView], stock: SourcingStock) -> None:
    """A store may have ended its pickups since the customer chose it."""
    refusals = Refusals()
    for index, line in enumerate(lines):
        if line.method is FulfillmentMethod.PICKUP and line.location_id is not None:
            place = stock.locations.get(line.location_id)
            if place is None or not place.offers_pickup:
                refusals.add(Code.INVALID, "This store offers no pickup any more.", "lines", index, "location")
    refusals.raise_any()


def too_many_parcels(lines: Sequence[LineView], needs: Sequence[Demand], found: SplitLimitExceeded) -> DomainError:
    """The refusal for what does not go into as many parcels as the channel ships; says what does."""
    refusals = Refusals()
    for need in needs:
        if (units := found.served[need.line]) < need.quantity:
            message = (
                f"This order needs {found.shipments} parcels; {found.shipments_max} at most are shipped, and they can "
                f"bring {units} of {need.quantity} {lines[need.line].variant['name']}."
            )
            refusals.add(Code.OUT_OF_STOCK, message, "lines", need.line, "quantity")
    return OutOfStock.of(refusals.problems)
