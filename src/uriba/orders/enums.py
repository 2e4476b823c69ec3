"""The kinds and statuses of orders, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class OrderStatus(StrEnum):
    """The status of an order: OPEN while any unit is still to be handed over."""

    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class PaymentStatus(StrEnum):
    """The status of a payment, or of all payments of an order."""

    PENDING = "PENDING"
    AUTHORIZED = "AUTHORIZED"
    PAID = "PAID"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    VOIDED = "VOIDED"


class OperationKind(StrEnum):
    """The kinds of payment operations."""

    CAPTURE = "CAPTURE"
    REFUND = "REFUND"
    VOID = "VOID"


class OperationStatus(StrEnum):
    """The status of a payment operation: PENDING until the provider, or the till that pays out cash, has done it."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class ReturnCondition(StrEnum):
    """The condition of returned units. Units that are not SELLABLE become unavailable stock."""

    SELLABLE = "SELLABLE"
    DAMAGED = "DAMAGED"
    INSPECTION = "INSPECTION"
