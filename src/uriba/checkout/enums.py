"""The kinds and statuses of checkout, as stored in the database and shown by the API."""

from __future__ import annotations

from enum import StrEnum


class AttemptStatus(StrEnum):
    """PENDING until the provider's answer is known; ENDING while the hub undoes the charge.

    Without an order it ends DECLINED (by the provider), ABANDONED (not paid in time) or SOLD_OUT (the hold had expired
    and the stock was gone).
    """

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    DECLINED = "DECLINED"
    ENDING = "ENDING"
    ABANDONED = "ABANDONED"
    SOLD_OUT = "SOLD_OUT"
