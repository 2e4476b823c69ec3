"""Back-orders: promises that wait for goods, served first come, first served."""

from __future__ import annotations

from collections.abc import Sequence

from uriba.db import Row, Session


async def serve(session: Session, rows: Sequence[Row], *, actor: str) -> int:
    """Give what became available at levels to whoever waits for it; how many units."""
    waiting = await session.fetchval("SELECT EXISTS (SELECT FROM fulfillment WHERE status = 'BACKORDERED')")
    if waiting:
        raise NotImplementedError
    return 0
