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
from uriba.fulfillment.sourcing.selection import Need, Piece, Short, TooManyParcels, arrange
from uriba.fulfillment.sourcing.stock import Stocked, stocked
from uriba.inventory.errors import OutOfStock


@dataclass(frozen=True, slots=True)
class Allotment:
    """What locations send, and why each of them does."""

    pieces: tuple[Piece, ...]
    reasons: Mapping[int, Mapping[str, Any]]

    def why(self, location_id: int, method: FulfillmentMethod) -> Mapping[str, Any] | None:
        """Why a parcel comes from there. What is carried out needs no reason."""
        match method:
            case FulfillmentMethod.SHIP:
                return self.reasons[location_id]
            case FulfillmentMethod.PICKUP:
                return reasons.STATED
        return None


NOTHING = Allotment((), {})


async def allot(
    session: Session, cart: CartView, lines: Sequence[LineView], placed: Sequence[Piece]
) -> Allotment | Short:
    """Where the lines to be shipped come from, of what the lines whose location is given leave there.

    Errors: `Invalid` for a store that offers no pickup any more, `OutOfStock` for more parcels than the channel ships.
    """
    needs = to_ship(lines)
    stores = {line.location_id for line in lines if line.method is FulfillmentMethod.PICKUP and line.location_id}
    if not needs and not stores:
        return NOTHING
    stock = await stocked(session, {n.variant_id for n in needs}, channel_id=cart.priced_in_id, stores=stores)
    _refuse_pickups(lines, stock)
    to = Destination.of_address(cart.address)
    found = arrange(needs, stock.sendable(less=placed), to=to, limit=stock.split_limit)
    if isinstance(found, Short):
        return found
    if isinstance(found, TooManyParcels):
        raise too_many_parcels(lines, needs, found)
    skus = {line.variant_id: line.variant["sku"] for line in lines}
    return Allotment(found.pieces, reasons.of(found, stock.places, skus))


def to_ship(lines: Sequence[LineView]) -> list[Need]:
    """The units that are to be shipped."""
    return [
        Need(index, line.variant_id, line.quantity)
        for index, line in enumerate(lines)
        if line.method is FulfillmentMethod.SHIP
    ]


def _refuse_pickups(lines: Sequence[LineView], stock: Stocked) -> None:
    """A store may have ended its pickups since the customer chose it."""
    refusals = Refusals()
    for index, line in enumerate(lines):
        if line.method is FulfillmentMethod.PICKUP and line.location_id is not None:
            place = stock.places.get(line.location_id)
            if place is None or not place.offers_pickup:
                refusals.add(Code.INVALID, "This store offers no pickup any more.", "lines", index, "location")
    refusals.raise_any()


def too_many_parcels(lines: Sequence[LineView], needs: Sequence[Need], found: TooManyParcels) -> DomainError:
    """The refusal for what does not go into as many parcels as the channel ships; says what does."""
    refusals = Refusals()
    for need in needs:
        if (units := found.served[need.line]) < need.quantity:
            message = (
                f"This order needs {found.parcels} parcels; {found.limit} at most are shipped, and they can bring "
                f"{units} of {need.quantity} {lines[need.line].variant['name']}."
            )
            refusals.add(Code.OUT_OF_STOCK, message, "lines", need.line, "quantity")
    return OutOfStock.of(refusals.problems)
