"""The kinds and statuses of tills' events, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class PosEventType(StrEnum):
    """The types of till events."""

    SALE = "SALE"
    RETURN = "RETURN"
    RECEIPT = "RECEIPT"
    ADJUSTMENT = "ADJUSTMENT"
    COUNT = "COUNT"
    DAMAGE = "DAMAGE"


class PosEventStatus(StrEnum):
    """The status of an event: applied now, applied before, or parked until staff repair it."""

    APPLIED = "APPLIED"
    DUPLICATE = "DUPLICATE"
    PARKED = "PARKED"
