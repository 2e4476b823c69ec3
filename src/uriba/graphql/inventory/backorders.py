"""Who waits for goods is served by whatever brings some."""

from __future__ import annotations

from collections.abc import Sequence

from uriba.core.actor import Actor
from uriba.db import Row, Session
from uriba.fulfillment.allocation import backorders
from uriba.inventory import queries


async def served(session: Session, rows: Sequence[Row], *, actor: Actor) -> Sequence[Row]:
    """Serve back-orders from levels that have changed; the levels as they are then."""
    if not rows or not await backorders.fill(session, rows, actor=actor.label):
        return rows
    keys = [(row["variant_id"], row["location_id"]) for row in rows]
    found = await queries.levels_by_key(session, keys)
    return [found[key] for key in keys]
