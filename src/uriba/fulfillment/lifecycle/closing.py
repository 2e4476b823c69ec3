"""Ending: an order of which nothing is to be handed over any more."""

from __future__ import annotations

from uuid import UUID

from uriba.db import Session
from uriba.fulfillment.lifecycle.transitions import ENDED
from uriba.orders import lifecycle


async def end(session: Session, order_id: UUID, *, actor: str, reason: str | None = None) -> None:
    """Have a locked order end where none of its fulfillments is open."""
    still = await session.fetchval(
        "SELECT EXISTS (SELECT FROM fulfillment WHERE order_id = $1 AND status <> ALL($2))", order_id, list(ENDED)
    )
    if not still:
        await lifecycle.close(session, order_id, actor=actor, reason=reason)
