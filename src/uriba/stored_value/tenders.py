"""Provisional: the signatures that checkout and orders call; the author of stored value replaces this file."""

from __future__ import annotations

from uuid import UUID

from uriba.db import Session

METHODS = ("GIFT_CARD", "POINTS")


async def refund(
    session: Session, *, order_id: UUID, method: str, reference: str, amount_minor: int, operation_id: UUID, actor: str
) -> None:
    raise NotImplementedError
