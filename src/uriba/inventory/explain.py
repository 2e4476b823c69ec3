"""Explanations of levels: the terms of what is available, and a level as the hub knew it at an earlier time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from uriba.catalog.locations import LOCATION_ID_OF_CODE
from uriba.catalog.queries import VARIANT_ID_OF_SKU
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.inventory.enums import StockState
from uriba.inventory.queries import AVAILABLE, LevelKey, levels_by_name

ROWS_MAX = 20
"""The causes of each term that are returned; their total is returned too."""


class TermName(StrEnum):
    """A term of what is available."""

    ON_HAND = "ON_HAND"
    UNAVAILABLE = "UNAVAILABLE"
    COMMITTED = "COMMITTED"
    RESERVED = "RESERVED"
    SAFETY_STOCK = "SAFETY_STOCK"


class CauseKind(StrEnum):
    """The origin of a term.

    COUNT: the last count. MOVEMENTS: the sum of all movements since it, or ever. FULFILLMENT: an open fulfillment of an
    order. HOLD: units of a cart that is paying.
    """

    COUNT = "COUNT"
    MOVEMENTS = "MOVEMENTS"
    FULFILLMENT = "FULFILLMENT"
    HOLD = "HOLD"


@dataclass(frozen=True, slots=True)
class AvailabilityCause:
    """A row, or the sum of rows, that a term comes from. `key`: the row's id, where it can be looked up."""

    kind: CauseKind
    label: str
    quantity: int
    at: datetime | None
    key: object | None = None


@dataclass(frozen=True, slots=True)
class AvailabilityTerm:
    """One term: `sign` times `quantity` is added to what is available. `total`: how many causes there are."""

    name: TermName
    sign: int
    quantity: int
    state: StockState | None = None
    causes: tuple[AvailabilityCause, ...] = ()
    total: int = 0


class StateUnits(NamedTuple):
    """Units of a level in one unavailable state."""

    state: StockState
    quantity: int


def availability_terms(
    level: Mapping[str, Any],
    states: Sequence[StateUnits],
    *,
    count: Row | None = None,
    promises: Sequence[Row] = (),
    holds: Sequence[Row] = (),
) -> list[AvailabilityTerm]:
    """Return the terms of a level in their order; they add up to what is available.

    `states`, `count` and `holds` are those of `states_by_level`, `counts_by_level` and `holds_by_level`; `promises` are
    the open fulfillments (id, number, quantity, at, total).
    """
    unavailable = [AvailabilityTerm(TermName.UNAVAILABLE, -1, own.quantity, own.state) for own in states]
    committed = [
        AvailabilityCause(CauseKind.FULFILLMENT, row["number"], row["quantity"], row["at"], row["id"])
        for row in promises
    ]
    reserved = [AvailabilityCause(CauseKind.HOLD, "until then", row["quantity"], row["at"]) for row in holds]
    on_hand = _on_hand_causes(level, count)
    return [
        AvailabilityTerm(TermName.ON_HAND, 1, level["on_hand"], None, on_hand, len(on_hand)),
        *(unavailable or [AvailabilityTerm(TermName.UNAVAILABLE, -1, 0)]),
        AvailabilityTerm(TermName.COMMITTED, -1, level["committed"], None, tuple(committed), _total(promises)),
        AvailabilityTerm(TermName.RESERVED, -1, level["reserved"], None, tuple(reserved), _total(holds)),
        AvailabilityTerm(TermName.SAFETY_STOCK, -1, level["safety_stock"]),
    ]


def _total(rows: Sequence[Row]) -> int:
    return rows[0]["total"] if rows else 0


def _on_hand_causes(level: Mapping[str, Any], count: Row | None) -> tuple[AvailabilityCause, ...]:
    """Return the last count and the movements since; without a count, all movements."""
    if count is None:
        return (AvailabilityCause(CauseKind.MOVEMENTS, "all movements", level["on_hand"], level["updated_at"]),)
    since = level["on_hand"] - count["quantity"]
    return (
        AvailabilityCause(CauseKind.COUNT, count["reference"], count["quantity"], count["occurred_at"], count["id"]),
        AvailabilityCause(CauseKind.MOVEMENTS, "movements since the count", since, level["updated_at"]),
    )


async def states_by_level(session: Session, keys: Sequence[LevelKey]) -> dict[LevelKey, list[StateUnits]]:
    """Return the unavailable units of levels by state. Every level has an entry."""
    found: dict[LevelKey, list[StateUnits]] = {key: [] for key in keys}
    for row in await session.fetch(_STATES_BY_LEVEL, **_key_columns(keys)):
        found[row["variant_id"], row["location_id"]].append(_state_units(row))
    return found


def _state_units(row: Row) -> StateUnits:
    return StateUnits(StockState(row["state"]), row["quantity"])


async def counts_by_level(session: Session, keys: Sequence[LevelKey]) -> dict[LevelKey, Row]:
    """Return the last counts of levels (id, quantity, reference, occurred_at), where there was one."""
    rows = await session.fetch(_COUNTS_BY_LEVEL, **_key_columns(keys))
    return {(row["variant_id"], row["location_id"]): row for row in rows}


async def holds_by_level(session: Session, keys: Sequence[LevelKey]) -> dict[LevelKey, list[Row]]:
    """Return the live holds of levels (quantity, at, total), the next to end first; `total`: how many there are.

    Every level has an entry, with at most `ROWS_MAX` holds.
    """
    rows = await session.fetch(_HOLDS_BY_LEVEL, **_key_columns(keys), rows_max=ROWS_MAX)
    return by_level(keys, rows)


def _key_columns(keys: Sequence[LevelKey]) -> dict[str, list[int]]:
    return {
        "variant_ids": [variant_id for variant_id, _ in keys],
        "location_ids": [location_id for _, location_id in keys],
    }


def by_level(keys: Sequence[LevelKey], rows: Sequence[Row]) -> dict[LevelKey, list[Row]]:
    """Return rows grouped by their level. Every level has an entry."""
    found: dict[LevelKey, list[Row]] = {key: [] for key in keys}
    for row in rows:
        found[row["variant_id"], row["location_id"]].append(row)
    return found


_KEYS = "unnest(:variant_ids::bigint[], :location_ids::bigint[]) AS k(variant_id, location_id)"

_STATES_BY_LEVEL = statement(f"""
    SELECT variant_id, location_id, state, quantity
    FROM stock_unavailable JOIN {_KEYS} USING (variant_id, location_id)
    WHERE quantity <> 0 ORDER BY variant_id, location_id, state
""")

# The index of movements is by `recorded_at`, which is never before `occurred_at`.
_COUNTS_BY_LEVEL = statement(f"""
    SELECT DISTINCT ON (l.variant_id, l.location_id) l.variant_id, l.location_id, m.id, m.quantity, m.reference,
        m.occurred_at
    FROM stock_level l JOIN {_KEYS} USING (variant_id, location_id)
    JOIN stock_movement m ON (m.variant_id, m.location_id) = (l.variant_id, l.location_id)
        AND m.recorded_at >= l.counted_at AND m.occurred_at = l.counted_at AND m.reference = l.counted_by
        AND m.reason = 'COUNT'
    ORDER BY l.variant_id, l.location_id, m.recorded_at, m.id
""")

_HOLDS_BY_LEVEL = statement(f"""
    SELECT * FROM (
        SELECT h.variant_id, h.location_id, h.quantity, h.expires_at AS at, count(*) OVER w AS total,
            row_number() OVER (w ORDER BY h.expires_at, h.id) AS n
        FROM hold h JOIN {_KEYS} USING (variant_id, location_id) WHERE h.status = 'HELD'
        WINDOW w AS (PARTITION BY variant_id, location_id)
    ) held
    WHERE n <= :rows_max ORDER BY variant_id, location_id, n
""")


async def level(session: Session, *, sku: str, location: str, as_of: datetime | None) -> Row | None:
    """Return a level as it is, or as the hub knew it at a time."""
    if as_of is None:
        return next(iter(await levels_by_name(session, [(sku, location)])), None)
    return await level_as_of(session, sku=sku, location=location, as_of=as_of)


async def level_as_of(session: Session, *, sku: str, location: str, as_of: datetime) -> Row | None:
    """Return a level as the hub knew it at a time: the sums of the movements recorded by then, None without any.

    The safety stock is today's: it is a setting, and movements do not record it.
    """
    return await session.fetchrow(_LEVEL_AS_OF, sku=sku, location=location, as_of=as_of.isoformat())


# Times are passed as text: PostgreSQL reads every time of ISO 8601, the driver's arithmetic not those at the ends.
_LEVEL_AS_OF = statement(f"""
    SELECT l.*, {AVAILABLE} AS available, greatest(0, l.committed + l.reserved + l.unavailable - l.on_hand) AS shortage
    FROM (
        SELECT m.*, s.safety_stock FROM (
            SELECT variant_id, location_id, sum(on_hand_delta)::bigint AS on_hand,
                sum(committed_delta)::bigint AS committed, sum(reserved_delta)::bigint AS reserved,
                sum(unavailable_delta)::bigint AS unavailable, sum(incoming_delta)::bigint AS incoming,
                max(recorded_at) AS updated_at
            FROM stock_movement
            WHERE variant_id = ({VARIANT_ID_OF_SKU.format(sku=":sku")})
                AND location_id = ({LOCATION_ID_OF_CODE.format(code=":location")})
                AND recorded_at <= :as_of::text::timestamptz
            GROUP BY variant_id, location_id
        ) m JOIN stock_level s USING (variant_id, location_id)
    ) l
""")


async def states_as_of(session: Session, key: LevelKey, *, as_of: datetime) -> list[StateUnits]:
    """Return the unavailable units of a level by state, as the hub knew them at a time."""
    variant_id, location_id = key
    rows = await session.fetch(_STATES_AS_OF, variant_id=variant_id, location_id=location_id, as_of=as_of.isoformat())
    return [_state_units(row) for row in rows]


# Movements without a state are from before states were recorded: their units count as damaged.
_STATES_AS_OF = statement("""
    SELECT coalesce(state, 'DAMAGED') AS state, sum(unavailable_delta)::bigint AS quantity FROM stock_movement
    WHERE (variant_id, location_id) = (:variant_id, :location_id) AND recorded_at <= :as_of::text::timestamptz
    GROUP BY 1 HAVING sum(unavailable_delta) <> 0 ORDER BY 1
""")
