"""The kinds and statuses of webhooks, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class EndpointStatus(StrEnum):
    """ACTIVE: the last attempt succeeded. RETRYING: deliveries are being retried. PAUSED: nothing is sent."""

    ACTIVE = "ACTIVE"
    RETRYING = "RETRYING"
    PAUSED = "PAUSED"


class DeliveryStatus(StrEnum):
    """PENDING: to be sent or retried. DELIVERED: accepted with 2xx. FAILED: given up by a person."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
