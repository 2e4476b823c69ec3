"""The availability of a variant as a status, and the locations where a channel can promise it for pickup. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from uriba.db import Row


class AvailabilityStatus(StrEnum):
    """Availability in one word. The threshold of LOW_STOCK is a setting."""

    IN_STOCK = "IN_STOCK"
    LOW_STOCK = "LOW_STOCK"
    OUT_OF_STOCK = "OUT_OF_STOCK"


def availability_status(quantity: int, *, low_stock: int) -> AvailabilityStatus:
    """Return the status of a quantity; up to `low_stock` units are LOW_STOCK."""
    if quantity <= 0:
        return AvailabilityStatus.OUT_OF_STOCK
    return AvailabilityStatus.LOW_STOCK if quantity <= low_stock else AvailabilityStatus.IN_STOCK


def pickup_supply(supply: Iterable[Row]) -> list[Row]:
    """Return the rows of `queries.supply_by_variant` whose locations offer pickup, in the same order."""
    return [row for row in supply if row["offers_pickup"]]
