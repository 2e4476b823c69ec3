"""The kinds and statuses of stored value, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class CardEntryKind(StrEnum):
    """Why a gift card's balance changed. GIVE_BACK: the order that it paid was not placed."""

    ISSUE = "ISSUE"
    REDEEM = "REDEEM"
    REFUND = "REFUND"
    GIVE_BACK = "GIVE_BACK"
    ADJUST = "ADJUST"


class PointsEntryKind(StrEnum):
    """Why a customer's points changed. REVERSE: points earned with an order were taken back after a refund.

    GIVE_BACK: the order that they paid was not placed.
    """

    EARN = "EARN"
    REDEEM = "REDEEM"
    REFUND = "REFUND"
    REVERSE = "REVERSE"
    GIVE_BACK = "GIVE_BACK"
    ADJUST = "ADJUST"
