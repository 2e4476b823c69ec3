"""Sourcing of a cart: which locations ship its lines, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uriba.cart.enums import FulfillmentMethod
from uriba.cart.view import CartView, LineView
from uriba.core.errors import Code, DomainError, Refusals
from uriba.db import Session
from uriba.fulfillment.sourcing import explain
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
class CartSourcing:
    """The units that each location ships, and the reasons of the choice, by location."""

    assignments: tuple[Assignment, ...]
    reasons: Mapping[int, Mapping[str, Any]]

    def reason(self, location_id: int, method: FulfillmentMethod) -> Mapping[str, Any] | None:
        """Return why a fulfillment comes from this location; None for goods that are carried out."""
        match method:
            case FulfillmentMethod.SHIP:
                return self.reasons[location_id]
            case FulfillmentMethod.PICKUP:
                return explain.CHOSEN_BY_CUSTOMER
        return None


NOTHING_TO_SHIP = CartSourcing((), {})


async def source_lines(
    session: Session, cart: CartView, lines: Sequence[LineView], assigned: Sequence[Assignment]
) -> CartSourcing | InsufficientStock:
    """Choose the locations that ship the SHIP lines, from the stock that `assigned` leaves there.

    Errors: `Invalid` for a store that no longer offers pickup, `OutOfStock` for more shipments than the channel allows.
    """
    demands = shipping_demands(lines)
    stores = {line.location_id for line in lines if line.method is FulfillmentMethod.PICKUP and line.location_id}
    if not demands and not stores:
        return NOTHING_TO_SHIP
    stock = await load_stock(
        session, {demand.variant_id for demand in demands}, channel_id=cart.priced_in_id, store_ids=stores
    )
    _refuse_pickups(lines, stock)
    plan = plan_sourcing(
        demands,
        stock.shippable(assigned=assigned),
        destination=Destination.of_address(cart.address),
        shipments_max=stock.split_limit,
    )
    if isinstance(plan, InsufficientStock):
        return plan
    if isinstance(plan, SplitLimitExceeded):
        raise split_limit_exceeded(lines, demands, plan)
    skus = {line.variant_id: line.variant["sku"] for line in lines}
    return CartSourcing(plan.assignments, explain.explanations(plan, stock.locations, skus))


def shipping_demands(lines: Sequence[LineView]) -> list[Demand]:
    """Return the demand of each SHIP line."""
    return [
        Demand(index, line.variant_id, line.quantity)
        for index, line in enumerate(lines)
        if line.method is FulfillmentMethod.SHIP
    ]


def _refuse_pickups(lines: Sequence[LineView], stock: SourcingStock) -> None:
    """Refuse stores that have stopped offering pickup since the customer chose them."""
    refusals = Refusals()
    for index, line in enumerate(lines):
        if line.method is FulfillmentMethod.PICKUP and line.location_id is not None:
            location = stock.locations.get(line.location_id)
            if location is None or not location.offers_pickup:
                refusals.add(
                    Code.INVALID,
                    "This store no longer offers pickup. Choose another store or method.",
                    "lines",
                    index,
                    "location",
                )
    refusals.raise_any()


def split_limit_exceeded(lines: Sequence[LineView], demands: Sequence[Demand], plan: SplitLimitExceeded) -> DomainError:
    """Return the refusal of a cart that needs more shipments than the channel allows, with the units that fit."""
    refusals = Refusals()
    for demand in demands:
        if (units := plan.served[demand.line]) < demand.quantity:
            message = (
                f"This order needs {plan.shipments} shipments, but at most {plan.shipments_max} are allowed. They can "
                f"contain {units} of {demand.quantity} {lines[demand.line].variant['name']}."
            )
            refusals.add(Code.OUT_OF_STOCK, message, "lines", demand.line, "quantity")
    return OutOfStock.of(refusals.problems)
