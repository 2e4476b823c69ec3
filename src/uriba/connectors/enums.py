"""The kinds and statuses of connectors, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class ConnectorKind(StrEnum):
    """FILE: files in a folder. REST: requests to a base URL."""

    FILE = "FILE"
    REST = "REST"


class ConnectorStatus(StrEnum):
    """ACTIVE: the last run succeeded. RETRYING: it failed. PAUSED: it does not run until resumed."""

    ACTIVE = "ACTIVE"
    RETRYING = "RETRYING"
    PAUSED = "PAUSED"


class ValueKind(StrEnum):
    """A value of a SKU that a channel is sent: the units that it may promise, or the price in minor units."""

    AVAILABILITY = "AVAILABILITY"
    PRICE = "PRICE"


class ImportStatus(StrEnum):
    """NEW: stored, not tried yet. WAITING: tried again later. PLACED: an order of the hub. REFUSED: not placed."""

    NEW = "NEW"
    WAITING = "WAITING"
    PLACED = "PLACED"
    REFUSED = "REFUSED"
