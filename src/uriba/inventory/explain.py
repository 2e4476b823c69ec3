"""Why a level's available is what it is, term by term; and what the hub believed a level to be at an earlier time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from uriba.db import Row, Session
from uriba.inventory.models import StockState

ROWS_MAX = 20
"""Of each term so many rows are shown, and how many there are."""

Key = tuple[int, int]


class TermName(StrEnum):
    """A term of what is available."""

    ON_HAND = "ON_HAND"
    UNAVAILABLE = "UNAVAILABLE"
    COMMITTED = "COMMITTED"
    RESERVED = "RESERVED"
    SAFETY_STOCK = "SAFETY_STOCK"


class CauseKind(StrEnum):
    """What a term comes from. COUNT: the last count. MOVEMENTS: the sum of what moved since then, or ever.

    FULFILLMENT: an open one of an order. HOLD: units of a cart that is paying, until a time.
    """

    COUNT = "COUNT"
    MOVEMENTS = "MOVEMENTS"
    FULFILLMENT = "FULFILLMENT"
    HOLD = "HOLD"


@dataclass(frozen=True, slots=True)
class Cause:
    """A row, or the sum of rows, that a term comes from. `key`: of what can be looked up."""

    kind: CauseKind
    label: str
    quantity: int
    at: datetime | None
    key: object | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One term: `sign` times `quantity` is added to what is available. `total`: how many causes there are."""

    name: TermName
    sign: int
    quantity: int
    state: StockState | None = None
    causes: tuple[Cause, ...] = ()
    total: int = 0


def terms(
    level: Mapping[str, Any],
    states: Sequence[Row],
    *,
    count: Row | None = None,
    promises: Sequence[Row] = (),
    holds: Sequence[Row] = (),
) -> list[Term]:
    """The terms of a level in their order: they add up to what is available.

    `states` as of `states_by_level`, `count` of `counts_by_level`, `holds` of `holds_by_level`; `promises` are the
    open fulfillments (id, number, quantity, at, total).
    """
    unavailable = [Term(TermName.UNAVAILABLE, -1, row["quantity"], StockState(row["state"])) for row in states]
    committed = [Cause(CauseKind.FULFILLMENT, r["number"], r["quantity"], r["at"], r["id"]) for r in promises]
    reserved = [Cause(CauseKind.HOLD, "until then", row["quantity"], row["at"]) for row in holds]
    on_hand = _on_hand(level, count)
    return [
        Term(TermName.ON_HAND, 1, level["on_hand"], None, on_hand, len(on_hand)),
        *(unavailable or [Term(TermName.UNAVAILABLE, -1, 0)]),
        Term(TermName.COMMITTED, -1, level["committed"], None, tuple(committed), _total(promises)),
        Term(TermName.RESERVED, -1, level["reserved"], None, tuple(reserved), _total(holds)),
        Term(TermName.SAFETY_STOCK, -1, level["safety_stock"]),
    ]


def _total(rows: Sequence[Row]) -> int:
    return rows[0]["total"] if rows else 0


def _on_hand(level: Mapping[str, Any], count: Row | None) -> tuple[Cause, ...]:
    """What was counted last, and what is more or less of it since; without a count, all that ever moved."""
    if count is None:
        return (Cause(CauseKind.MOVEMENTS, "all movements", level["on_hand"], level["updated_at"]),)
    since = level["on_hand"] - count["quantity"]
    return (
        Cause(CauseKind.COUNT, count["reference"], count["quantity"], count["occurred_at"], count["id"]),
        Cause(CauseKind.MOVEMENTS, "movements since the count", since, level["updated_at"]),
    )


async def states_by_level(session: Session, keys: Sequence[Key]) -> dict[Key, list[Row]]:
    """Units of levels that are unavailable, by state."""
    rows = await session.fetch(
        "SELECT variant_id, location_id, state, quantity FROM stock_unavailable "
        f"JOIN {_KEYS} USING (variant_id, location_id) WHERE quantity <> 0 ORDER BY variant_id, location_id, state",
        *_parts(keys),
    )
    return by_level(keys, rows)


async def counts_by_level(session: Session, keys: Sequence[Key]) -> dict[Key, Row]:
    """The count that levels stand on, where there was one."""
    # A count is recorded when it occurs or later, which is what the index is by.
    rows = await session.fetch(
        "SELECT DISTINCT ON (l.variant_id, l.location_id) l.variant_id, l.location_id, m.id, m.quantity, m.reference, "
        f"m.occurred_at FROM stock_level l JOIN {_KEYS} USING (variant_id, location_id) JOIN stock_movement m "
        "ON (m.variant_id, m.location_id) = (l.variant_id, l.location_id) AND m.recorded_at >= l.counted_at "
        "AND m.occurred_at = l.counted_at AND m.reference = l.counted_by AND m.reason = 'COUNT' "
        "ORDER BY l.variant_id, l.location_id, m.recorded_at, m.id",
        *_parts(keys),
    )
    return {(row["variant_id"], row["location_id"]): row for row in rows}


async def holds_by_level(session: Session, keys: Sequence[Key]) -> dict[Key, list[Row]]:
    """The live holds of levels, those that end first at most `ROWS_MAX`, and how many there are (`total`)."""
    rows = await session.fetch(
        "SELECT * FROM (SELECT h.variant_id, h.location_id, h.quantity, h.expires_at AS at, count(*) OVER w AS total, "
        f"row_number() OVER (w ORDER BY h.expires_at, h.id) AS n FROM hold h JOIN {_KEYS} "
        "USING (variant_id, location_id) WHERE h.status = 'HELD' WINDOW w AS (PARTITION BY variant_id, location_id)"
        ") held WHERE n <= $3 ORDER BY variant_id, location_id, n",
        *_parts(keys),
        ROWS_MAX,
    )
    return by_level(keys, rows)


_KEYS = "unnest($1::bigint[], $2::bigint[]) AS k(variant_id, location_id)"


def _parts(keys: Sequence[Key]) -> tuple[list[int], list[int]]:
    return [variant_id for variant_id, _ in keys], [location_id for _, location_id in keys]


def by_level(keys: Sequence[Key], rows: Sequence[Row]) -> dict[Key, list[Row]]:
    """Rows under their level, each of which is there."""
    found: dict[Key, list[Row]] = {key: [] for key in keys}
    for row in rows:
        found[row["variant_id"], row["location_id"]].append(row)
    return found


async def level_as_of(session: Session, *, sku: str, location: str, as_of: datetime) -> Row | None:
    """What the hub believed a level to be: the sums of what it had recorded by then; None where that was nothing.

    The safety stock is today's: it is a setting, and no movement keeps what it was.
    """
    return await session.fetchrow(_AS_OF, sku, location, as_of.isoformat())


# As text, PostgreSQL takes any time that ISO 8601 can write; a driver's arithmetic may not.
_AS_OF = """
    SELECT m.*, s.safety_stock, greatest(0, m.committed + m.reserved + m.unavailable - m.on_hand) AS shortage
    FROM (
        SELECT variant_id, location_id, sum(on_hand_delta)::bigint AS on_hand,
            sum(committed_delta)::bigint AS committed, sum(reserved_delta)::bigint AS reserved,
            sum(unavailable_delta)::bigint AS unavailable, sum(incoming_delta)::bigint AS incoming,
            max(recorded_at) AS updated_at
        FROM stock_movement
        WHERE variant_id = (SELECT id FROM variant WHERE sku = $1)
            AND location_id = (SELECT id FROM location WHERE code = $2) AND recorded_at <= $3::text::timestamptz
        GROUP BY variant_id, location_id
    ) m JOIN stock_level s USING (variant_id, location_id)
"""


async def states_as_of(session: Session, key: Key, *, as_of: datetime) -> list[Row]:
    """Units of a level that were unavailable, by state, as the hub believed then."""
    # Units that became unavailable before there were reasons for it count as damaged.
    return await session.fetch(
        "SELECT coalesce(state, 'DAMAGED') AS state, sum(unavailable_delta)::bigint AS quantity FROM stock_movement "
        "WHERE (variant_id, location_id) = ($1, $2) AND recorded_at <= $3::text::timestamptz "
        "GROUP BY 1 HAVING sum(unavailable_delta) <> 0 ORDER BY 1",
        *key,
        as_of.isoformat(),
    )
