"""Warnings about a line of a cart: what a customer should know before paying. None of them stops the cart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from uriba.cart.enums import FulfillmentMethod
from uriba.cart.view import LineView
from uriba.core import money
from uriba.core.errors import Code, Problem
from uriba.db import Row
from uriba.inventory.queries import available_at_till

ReadLevel = Callable[[tuple[int, int]], Awaitable[Row | None]]
"""Reads the level of a variant at a location."""

ReadSupply = Callable[[int], Awaitable[Sequence[Row] | None]]
"""Reads the units that the cart's channel may promise of a variant, by location."""

_TOO_FEW = {
    FulfillmentMethod.CARRY_OUT: "Only {} available at this store now.",
    FulfillmentMethod.PICKUP: "Only {} available for pickup at this store now.",
    FulfillmentMethod.SHIP: "Only {} available for shipping now.",
}


async def warnings(line: LineView, currency: str, *, read_level: ReadLevel, read_supply: ReadSupply) -> list[Problem]:
    """Return the warnings about a line: DISCONTINUED or PRICE_CHANGED, and OUT_OF_STOCK."""
    warnings = []
    if not line.sold:
        warnings.append(Problem(Code.DISCONTINUED, "This item is no longer sold."))
    elif line.unit_minor != line.added_minor:
        before = money.to_decimal(line.added_minor, currency)
        warnings.append(Problem(Code.PRICE_CHANGED, f"The price was {before} when this item was added."))
    quantity = await available_quantity(line, read_level=read_level, read_supply=read_supply)
    if quantity < line.quantity:
        warnings.append(Problem(Code.OUT_OF_STOCK, _TOO_FEW[line.method].format(max(0, quantity))))
    return warnings


async def available_quantity(line: LineView, *, read_level: ReadLevel, read_supply: ReadSupply) -> int:
    """Return the units that are available now by the line's fulfillment method."""
    if line.method is FulfillmentMethod.CARRY_OUT and line.location_id is not None:
        level = await read_level((line.variant_id, line.location_id))
        return available_at_till(level) if level else 0
    supply = await read_supply(line.variant_id) or ()
    if line.method is FulfillmentMethod.PICKUP:
        return sum(row["quantity"] for row in supply if row["location_id"] == line.location_id)
    return sum(row["quantity"] for row in supply if row["ships_orders"])
