"""The levels that promises are moved between: locked before it is decided which."""

from __future__ import annotations

from collections.abc import Collection

from uriba.db import Row, Session
from uriba.inventory.queries import AVAILABLE

Level = tuple[int, int]
"""A variant at a location."""


async def lock(session: Session, levels: Collection[Level]) -> dict[Level, Row]:
    """Lock levels, in (variant, location) order like everybody: what is `free`, and `short` of what is promised."""
    rows = await session.fetch(_LOCK, [variant_id for variant_id, _ in levels], [place for _, place in levels])
    return {(row["variant_id"], row["location_id"]): row for row in rows}


_LOCK = f"""
    SELECT variant_id, location_id, {AVAILABLE} AS free, least(l.shortage, l.committed) AS short
    FROM (
        SELECT DISTINCT v, p FROM unnest($1::bigint[], $2::bigint[]) AS k(v, p) ORDER BY v, p
    ) k CROSS JOIN LATERAL (
        SELECT * FROM stock_level s WHERE (s.variant_id, s.location_id) = (k.v, k.p) FOR UPDATE
    ) l
"""
