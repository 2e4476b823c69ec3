"""Reads of stock levels, movements and availability, batched.

Levels are rows with the columns of `LEVEL_COLUMNS`, the same as those that the ledger returns of levels it has changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from uriba.catalog.locations import LOCATION_ID_OF_CODE, LOCATIONS_OF_CHANNEL, SELLING_LOCATIONS_OF_CHANNEL
from uriba.catalog.queries import VARIANT_ID_OF_SKU, VARIANTS_BY_CODE
from uriba.core.errors import Invalid
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement

LevelKey = tuple[int, int]
"""A stock level's variant and location."""

AVAILABLE = fragment("l.on_hand - l.unavailable - l.committed - l.reserved - l.safety_stock")
"""The units of the level `l` that a channel may promise."""

LEVEL_COLUMNS = fragment(f"""
    l.variant_id, l.location_id, l.on_hand, l.committed, l.reserved, l.unavailable, l.safety_stock, l.incoming,
    l.shortage, l.version, l.updated_at, {AVAILABLE} AS available
""")
AVAILABLE_UNITS = fragment(f"SELECT l.variant_id, l.location_id, {AVAILABLE} AS available FROM stock_level l")
"""A subquery: what is available at each level. For statements of other domains."""

SHORT_LEVELS = fragment("""
    SELECT l.variant_id, l.location_id, least(l.shortage, l.committed) AS short FROM stock_level l
    WHERE l.shortage > 0 AND l.committed > 0
""")
"""A subquery: the levels whose committed units are not all there, and how many are not. For the same."""

COUNT_TIMES = fragment("SELECT l.variant_id, l.location_id, l.counted_at FROM stock_level l")
"""A subquery: when each level was counted last. For the same."""

UNITS_IN_STATE = fragment("""
    SELECT u.variant_id, u.location_id, u.quantity FROM stock_unavailable u WHERE u.state = {state}
""")
"""A subquery: the unavailable units of each level in one state. For the same."""

_MOVEMENT_COLUMNS = """
    id, reason, quantity, on_hand_delta, committed_delta, reserved_delta, unavailable_delta, incoming_delta, state,
    reference, actor, occurred_at, recorded_at
"""
_LEVEL_KEY = re.compile("([0-9]{1,18}):([0-9]{1,18})", re.ASCII)
_SUBJECT_PREFIX = "StockLevel:"


async def available_by_variant(session: Session, variant_ids: Sequence[int], *, channel_id: int) -> dict[int, int]:
    """Return the units that a channel may promise now, at all of its locations; a location counts as 0 at least."""
    rows = await session.fetch(_AVAILABLE_BY_VARIANT, variant_ids=variant_ids, channel_id=channel_id)
    return {row["variant_id"]: row["quantity"] for row in rows}


_AVAILABLE_BY_VARIANT = statement(f"""
    SELECT l.variant_id, sum(greatest(0, {AVAILABLE}))::bigint AS quantity FROM stock_level l
    JOIN ({LOCATIONS_OF_CHANNEL.format(channel=":channel_id")}) s ON s.location_id = l.location_id
    WHERE l.variant_id = ANY(:variant_ids) GROUP BY l.variant_id
""")


async def supply_by_variant(session: Session, variant_ids: Sequence[int], *, channel_id: int) -> dict[int, list[Row]]:
    """Return where a channel has units of a variant, the best location first.

    Rows: variant_id, location_id, quantity (available, above 0), offers_pickup, ships_orders.
    """
    found: dict[int, list[Row]] = {variant_id: [] for variant_id in variant_ids}
    for row in await session.fetch(_SUPPLY_BY_VARIANT, variant_ids=variant_ids, channel_id=channel_id):
        found[row["variant_id"]].append(row)
    return found


_SUPPLY_BY_VARIANT = statement(f"""
    SELECT l.variant_id, l.location_id, {AVAILABLE} AS quantity, s.offers_pickup, s.ships_orders
    FROM stock_level l
    JOIN ({SELLING_LOCATIONS_OF_CHANNEL.format(channel=":channel_id")}) s ON s.location_id = l.location_id
    WHERE l.variant_id = ANY(:variant_ids) AND {AVAILABLE} > 0
    ORDER BY l.variant_id, s.position
""")


async def available_at_till_by_variant(
    session: Session, variant_ids: Sequence[int], *, location_id: int
) -> dict[int, int]:
    """Return the units that a location's own tills may sell: safety stock included."""
    rows = await session.fetch(_AVAILABLE_AT_TILL, variant_ids=variant_ids, location_id=location_id)
    return {row["variant_id"]: row["quantity"] for row in rows}


_AVAILABLE_AT_TILL = statement("""
    SELECT variant_id, on_hand - unavailable - committed - reserved AS quantity FROM stock_level
    WHERE variant_id = ANY(:variant_ids) AND location_id = :location_id
""")


async def levels_by_key(session: Session, keys: Sequence[LevelKey]) -> dict[LevelKey, Row]:
    """Return levels by (variant, location)."""
    rows = await session.fetch(
        _LEVELS_BY_KEY,
        variant_ids=[variant_id for variant_id, _ in keys],
        location_ids=[location_id for _, location_id in keys],
    )
    return {(row["variant_id"], row["location_id"]): row for row in rows}


_LEVELS_BY_KEY = statement(f"""
    SELECT {LEVEL_COLUMNS} FROM stock_level l
    JOIN unnest(:variant_ids::bigint[], :location_ids::bigint[]) AS k(variant_id, location_id)
        USING (variant_id, location_id)
""")


def available_at_till(level: Row) -> int:
    """Return the units of a level that its location's own tills may sell: safety stock included."""
    return int(level["on_hand"] - level["unavailable"] - level["committed"] - level["reserved"])


async def variants_at_location(session: Session, names: Sequence[str], *, location_id: int) -> dict[str, Row]:
    """Return variants by SKU or else barcode (id, sku, barcode, name, tax_class).

    `stocked`: whether the location has a stock level of the variant.
    """
    rows = await session.fetch(_VARIANTS_BY_SKU, codes=names, location_id=location_id)
    found = {row["sku"]: row for row in rows}
    if others := [name for name in names if name not in found]:
        rows = await session.fetch(_VARIANTS_BY_BARCODE, codes=others, location_id=location_id)
        found |= {row["barcode"]: row for row in rows}
    return found


_AT_LOCATION = """
    SELECT v.*, EXISTS (
        SELECT FROM stock_level l WHERE (l.variant_id, l.location_id) = (v.id, :location_id)
    ) AS stocked
    FROM ({variants}) v
"""
_VARIANTS_BY_SKU = statement(_AT_LOCATION.format(variants=VARIANTS_BY_CODE.format(column="sku", codes=":codes")))
_VARIANTS_BY_BARCODE = statement(
    _AT_LOCATION.format(variants=VARIANTS_BY_CODE.format(column="barcode", codes=":codes"))
)


async def levels_by_name(session: Session, names: Sequence[tuple[str, str]]) -> list[Row]:
    """Return levels by (SKU, location code), each once, in (variant, location) order."""
    return await session.fetch(_LEVELS_BY_NAME, skus=[sku for sku, _ in names], codes=[code for _, code in names])


_LEVELS_BY_NAME = statement(f"""
    SELECT DISTINCT {LEVEL_COLUMNS} FROM unnest(:skus::text[], :codes::text[]) AS n(sku, code)
    JOIN stock_level l ON l.variant_id = ({VARIANT_ID_OF_SKU.format(sku="n.sku")})
        AND l.location_id = ({LOCATION_ID_OF_CODE.format(code="n.code")})
    ORDER BY l.variant_id, l.location_id
""")


async def levels(
    session: Session,
    *,
    variant_ids: Sequence[int] | None,
    location_id: int | None,
    first: int,
    after: LevelKey | None,
) -> list[Row]:
    """Return levels in (variant, location) order, one more than asked for."""
    after_variant_id, after_location_id = after or (0, 0)
    return await session.fetch(
        _LEVELS,
        variant_ids=variant_ids,
        location_id=location_id,
        after_variant_id=after_variant_id,
        after_location_id=after_location_id,
        limit=first + 1,
    )


_LEVELS = statement(f"""
    SELECT {LEVEL_COLUMNS} FROM stock_level l
    WHERE (:variant_ids::bigint[] IS NULL OR l.variant_id = ANY(:variant_ids))
        AND (:location_id::bigint IS NULL OR l.location_id = :location_id)
        AND (l.variant_id, l.location_id) > (:after_variant_id, :after_location_id)
    ORDER BY l.variant_id, l.location_id LIMIT :limit
""")


async def movements(
    session: Session, *, variant_id: int, location_id: int, first: int, before: int | None
) -> list[Row]:
    """Return a level's movements, the newest first, one more than asked for."""
    return await session.fetch(
        _MOVEMENTS, variant_id=variant_id, location_id=location_id, before=before, limit=first + 1
    )


_MOVEMENTS = statement(f"""
    SELECT {_MOVEMENT_COLUMNS} FROM stock_movement WHERE variant_id = :variant_id AND location_id = :location_id
        AND (:before::bigint IS NULL
            OR (recorded_at, id) < (SELECT recorded_at, id FROM stock_movement WHERE id = :before))
    ORDER BY recorded_at DESC, id DESC LIMIT :limit
""")


async def movement_by_id(session: Session, movement_id: int) -> Row | None:
    """Return one movement."""
    return await session.fetchrow(_MOVEMENT_BY_ID, movement_id=movement_id)


_MOVEMENT_BY_ID = statement(f"SELECT {_MOVEMENT_COLUMNS} FROM stock_movement WHERE id = :movement_id")


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
"""The available units of a level before a moment, by the ledger, safety stock included."""


def level_key(row: Mapping[str, Any]) -> str:
    """Return a level's key in cursors, global ids and events."""
    return f"{row['variant_id']}:{row['location_id']}"


def split_level_key(key: str) -> LevelKey:
    """Return the (variant, location) of a level's key.

    Errors: `Invalid` for a text that is not the key of a level.
    """
    found = _LEVEL_KEY.fullmatch(key)
    if found is None:
        raise Invalid("This is not a cursor of this list.", "after")
    return int(found[1]), int(found[2])


def level_subject(row: Mapping[str, Any]) -> str:
    """Return the subject of a level's events."""
    return f"{_SUBJECT_PREFIX}{level_key(row)}"


def level_of_subject(subject: str) -> LevelKey | None:
    """Return the (variant, location) that an event is about; None if it is not about a level."""
    return split_level_key(subject[len(_SUBJECT_PREFIX) :]) if subject.startswith(_SUBJECT_PREFIX) else None


def level_matcher(variant_ids: Set[int] | None, location_ids: Set[int] | None) -> Callable[[str], bool]:
    """Return a test whether a subject is a level of these variants and locations. None: of any."""

    def matches(subject: str) -> bool:
        level = level_of_subject(subject)
        return (
            level is not None
            and (variant_ids is None or level[0] in variant_ids)
            and (location_ids is None or level[1] in location_ids)
        )

    return matches
