"""The kinds and statuses of fulfillment, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class FulfillmentStatus(StrEnum):
    """The status of a fulfillment."""

    ALLOCATED = "ALLOCATED"
    PICKED = "PICKED"
    READY_FOR_PICKUP = "READY_FOR_PICKUP"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    HANDED_OVER = "HANDED_OVER"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    BACKORDERED = "BACKORDERED"


PROMISED = (FulfillmentStatus.ALLOCATED, FulfillmentStatus.PICKED, FulfillmentStatus.READY_FOR_PICKUP)
"""Statuses of units that are at the location and committed there."""


CANCELLABLE = (FulfillmentStatus.BACKORDERED, *PROMISED)
"""Statuses of units that can be cancelled, those that have advanced least first."""
