"""Reads of levels, movements and availability, batched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from uriba.core.errors import Invalid
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement

LEVEL = """
    l.variant_id, l.location_id, l.on_hand, l.committed, l.reserved, l.unavailable, l.safety_stock, l.incoming,
    l.shortage, l.version, l.updated_at
"""
_MOVEMENT = """
    id, reason, quantity, on_hand_delta, committed_delta, reserved_delta, unavailable_delta, incoming_delta, state,
    reference, actor, occurred_at, recorded_at
"""
_LEVEL_KEY = re.compile("([0-9]{1,18}):([0-9]{1,18})", re.ASCII)
AVAILABLE = "l.on_hand - l.unavailable - l.committed - l.reserved - l.safety_stock"


async def available_by_variant(session: Session, variant_ids: Sequence[int], *, channel_id: int) -> dict[int, int]:
    """Units that a channel may promise now, over all of its locations; a location counts as 0 at least."""
    rows = await session.fetch(
        f"SELECT l.variant_id, sum(greatest(0, {AVAILABLE}))::bigint AS quantity FROM stock_level l "
        "JOIN channel_location s ON s.location_id = l.location_id AND s.channel_id = $2 "
        "WHERE l.variant_id = ANY($1) GROUP BY l.variant_id",
        variant_ids,
        channel_id,
    )
    return {row["variant_id"]: row["quantity"] for row in rows}


async def supply_by_variant(session: Session, variant_ids: Sequence[int], *, channel_id: int) -> dict[int, list[Row]]:
    """Where the channel has units of a variant: (location_id, quantity, offers_pickup, ships_orders), best first."""
    found: dict[int, list[Row]] = {variant_id: [] for variant_id in variant_ids}
    rows = await session.fetch(
        f"SELECT l.variant_id, l.location_id, {AVAILABLE} AS quantity, o.offers_pickup, o.ships_orders "
        "FROM stock_level l JOIN channel_location s ON s.location_id = l.location_id AND s.channel_id = $2 "
        f"JOIN location o ON o.id = l.location_id WHERE l.variant_id = ANY($1) AND {AVAILABLE} > 0 "
        "ORDER BY l.variant_id, s.position",
        variant_ids,
        channel_id,
    )
    for row in rows:
        found[row["variant_id"]].append(row)
    return found


async def shelf_by_variant(session: Session, variant_ids: Sequence[int], *, location_id: int) -> dict[int, int]:
    """Units that a location's own till may sell: safety stock included."""
    rows = await session.fetch(
        "SELECT variant_id, on_hand - unavailable - committed - reserved AS quantity FROM stock_level "
        "WHERE variant_id = ANY($1) AND location_id = $2",
        variant_ids,
        location_id,
    )
    return {row["variant_id"]: row["quantity"] for row in rows}


async def levels_by_key(session: Session, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Row]:
    rows = await session.fetch(
        f"SELECT {LEVEL} FROM stock_level l JOIN unnest($1::bigint[], $2::bigint[]) AS k(variant_id, location_id) "
        "USING (variant_id, location_id)",
        [variant_id for variant_id, _ in keys],
        [location_id for _, location_id in keys],
    )
    return {(row["variant_id"], row["location_id"]): row for row in rows}


def shelf_quantity(level: Row) -> int:
    """Return the units of a level that its location's own till may sell: the safety stock is among them."""
    return int(level["on_hand"] - level["unavailable"] - level["committed"] - level["reserved"])


async def levels(
    session: Session,
    *,
    variant_ids: Sequence[int] | None,
    location_id: int | None,
    first: int,
    after: tuple[int, int] | None,
) -> list[Row]:
    """Levels by (variant, location), one more than asked for."""
    return await session.fetch(
        f"SELECT {LEVEL} FROM stock_level l "
        "WHERE ($1::bigint[] IS NULL OR l.variant_id = ANY($1)) AND ($2::bigint IS NULL OR l.location_id = $2) "
        "AND (l.variant_id, l.location_id) > ($3, $4) ORDER BY l.variant_id, l.location_id LIMIT $5",
        variant_ids,
        location_id,
        *(after or (0, 0)),
        first + 1,
    )


async def movements(
    session: Session, *, variant_id: int, location_id: int, first: int, before: int | None
) -> list[Row]:
    """A level's movements, newest first, one more than asked for."""
    return await session.fetch(
        f"SELECT {_MOVEMENT} FROM stock_movement WHERE variant_id = $1 AND location_id = $2 "
        "AND ($3::bigint IS NULL OR (recorded_at, id) < (SELECT recorded_at, id FROM stock_movement WHERE id = $3)) "
        "ORDER BY recorded_at DESC, id DESC LIMIT $4",
        variant_id,
        location_id,
        before,
        first + 1,
    )


def level_key(row: Mapping[str, Any]) -> str:
    """A level's key in cursors, ids and events."""
    return f"{row['variant_id']}:{row['location_id']}"


def split_level_key(key: str) -> tuple[int, int]:
    """Errors: `Invalid` for what is no key of a level."""
    found = _LEVEL_KEY.fullmatch(key)
    if found is None:
        raise Invalid("This is not a cursor of this list.", "after")
    return int(found[1]), int(found[2])


async def levels_by_name(session: Session, named: Sequence[tuple[str, str]]) -> list[Row]:
    """Levels by (SKU, location code), each once, in (variant, location) order."""
    return await session.fetch(
        f"SELECT DISTINCT {LEVEL} FROM stock_level l JOIN variant v ON v.id = l.variant_id "
        "JOIN location o ON o.id = l.location_id "
        "JOIN unnest($1::text[], $2::text[]) AS n(sku, code) ON (n.sku, n.code) = (v.sku, o.code) "
        "ORDER BY l.variant_id, l.location_id",
        [sku for sku, _ in named],
        [code for _, code in named],
    )


async def movement_by_id(session: Session, movement_id: int) -> Row | None:
    return await session.fetchrow(f"SELECT {_MOVEMENT} FROM stock_movement WHERE id = $1", movement_id)


async def oldest_shortages(session: Session) -> dict[int, float]:
    """Return the age in seconds of the oldest open shortage of each location that has one."""
    return {row["location_id"]: row["age_s"] for row in await session.fetch(_OLDEST_SHORTAGES)}


_OLDEST_SHORTAGES = statement("""
    SELECT location_id, extract(epoch FROM now() - min(opened_at))::float8 AS age_s FROM shortage
    WHERE settled < quantity GROUP BY location_id
""")

LEDGER_BALANCE = fragment("""
    (SELECT sum(m.on_hand_delta - m.unavailable_delta - m.committed_delta - m.reserved_delta)::bigint
        FROM stock_movement m
        WHERE m.variant_id = {variant_id} AND m.location_id = {location_id} AND m.recorded_at < {at})
""")
"""What a level had available before a moment, by the ledger and safety stock included."""
