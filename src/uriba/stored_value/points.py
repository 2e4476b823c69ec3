"""Provisional: the author of stored value replaces this file."""

from __future__ import annotations

from uuid import UUID

from uriba.db import Session


async def reverse(session: Session, *, order_id: UUID, refunded_minor: int, actor: str) -> None:
    """Provisional."""
