"""The kinds and statuses of cart, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class CartStatus(StrEnum):
    """Only an ACTIVE cart changes."""

    ACTIVE = "ACTIVE"
    ORDERED = "ORDERED"
    MERGED = "MERGED"
    EXPIRED = "EXPIRED"


class FulfillmentMethod(StrEnum):
    """How goods reach the customer."""

    CARRY_OUT = "CARRY_OUT"
    PICKUP = "PICKUP"
    SHIP = "SHIP"
