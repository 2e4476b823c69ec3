"""The kinds and statuses of conflicts, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class ConflictKind(StrEnum):
    """The kinds of conflicts.

    SHORTAGE: promised units are not there. DOUBLE_SALE: a till sold a cart that was sold elsewhere too. TAMPERED: a
    fact with the identity of an earlier one and another content. PARKED: a fact that cannot be applied as it is.
    PRICE_VARIANCE: a till printed a price that is not in the price list. RETURN_MISMATCH: more units were returned than
    bought. STOCK_CHECK: a location did not find units that it should have, and has to count them. PAYMENT_FAILED: a
    provider refused to move money. COUPON_OVERUSED: a till accepted a coupon that is unknown or used up.
    """

    SHORTAGE = "SHORTAGE"
    DOUBLE_SALE = "DOUBLE_SALE"
    TAMPERED = "TAMPERED"
    PARKED = "PARKED"
    PRICE_VARIANCE = "PRICE_VARIANCE"
    RETURN_MISMATCH = "RETURN_MISMATCH"
    STOCK_CHECK = "STOCK_CHECK"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    COUPON_OVERUSED = "COUPON_OVERUSED"


class ConflictStatus(StrEnum):
    """A conflict is OPEN until the hub or a person has resolved it."""

    OPEN = "OPEN"
    RESOLVED = "RESOLVED"
