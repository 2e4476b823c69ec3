"""The kinds and statuses of inventory, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class StockReason(StrEnum):
    """The reason of a movement."""

    SALE = "SALE"
    RETURN = "RETURN"
    RECEIPT = "RECEIPT"
    ADJUSTMENT = "ADJUSTMENT"
    COUNT = "COUNT"
    TRANSFER_OUT = "TRANSFER_OUT"
    TRANSFER_IN = "TRANSFER_IN"
    DAMAGE = "DAMAGE"
    COMMIT = "COMMIT"
    RELEASE = "RELEASE"
    RESERVE = "RESERVE"
    IMPORT = "IMPORT"
    MOVE = "MOVE"


class StockState(StrEnum):
    """The condition of units on hand. All states but SELLABLE make them `unavailable`."""

    SELLABLE = "SELLABLE"
    DAMAGED = "DAMAGED"
    DISPLAY = "DISPLAY"
    INSPECTION = "INSPECTION"


class HoldStatus(StrEnum):
    """A hold is HELD until it is settled, released, or its term ends; exactly one of them happens."""

    HELD = "HELD"
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class TransferStatus(StrEnum):
    """The status of a transfer."""

    DRAFT = "DRAFT"
    IN_TRANSIT = "IN_TRANSIT"
    PARTIALLY_RECEIVED = "PARTIALLY_RECEIVED"
    RECEIVED = "RECEIVED"
    CANCELLED = "CANCELLED"
