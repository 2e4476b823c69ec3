"""Back-orders: promises that wait for goods, served first come, first served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from uriba.core.actor import SYSTEM
from uriba.db import Row, Session
from uriba.fulfillment.allocation import level_locks, reallocate
from uriba.fulfillment.allocation.level_locks import Level
from uriba.fulfillment.allocation.reallocate import Reallocation
from uriba.fulfillment.models import FulfillmentStatus
from uriba.fulfillment.sourcing.rules import CHANNEL_ORDER_RULES
from uriba.fulfillment.sourcing.selection import Demand, Supply, assign_units
from uriba.inventory.queries import AVAILABLE, levels_by_key

RECEIPT = "RECEIPT"
"""Why a back-order waits no more."""

SERVED_MAX = 100
"""Back-orders that one receipt serves itself; the sweep serves the rest."""


async def fill(session: Session, rows: Sequence[Row], *, actor: str) -> int:
    """Give what became available at levels to whoever waits for it; how many units.

    `rows`: levels as the ledger returned them. This transaction holds their locks, and orders come before stock: an
    order that is locked is skipped, never waited for, and served by the sweep.
    """
    free = {(row["variant_id"], row["location_id"]): units for row in rows if (units := _available(row)) > 0}
    if not free:
        return 0
    waiting = await _take(session, free, limit=SERVED_MAX)
    return await _give(session, waiting, free, actor=actor)


async def fill_after(
    session: Session, *, change: Callable[[Session], Awaitable[Sequence[Row]]], actor: str
) -> Sequence[Row]:
    """Change stock, fill back-orders from the changed levels, and return these levels as they are then."""
    levels = await change(session)
    if not levels or not await fill(session, levels, actor=actor):
        return levels
    keys = [(row["variant_id"], row["location_id"]) for row in levels]
    found = await levels_by_key(session, keys)
    return [found[key] for key in keys]


async def fill_waiting(session: Session, limit: int) -> int:
    """Serve back-orders for which some location has units, however that came about; how many units."""
    rows = await session.fetch(_WANTED, limit)
    seen = {(row["variant_id"], row["location_id"]): row["free"] for row in rows}
    if not seen:
        return 0
    waiting = await _take(session, seen, limit=limit)
    wanted = {(split.variant_id, split.location_id) for split in assign(waiting, seen)}
    free = {level: row["free"] for level, row in (await level_locks.lock(session, wanted)).items()}
    return await _give(session, waiting, free, actor=SYSTEM.label)


def assign(waiting: Sequence[Row], free: Mapping[Level, int]) -> list[Reallocation]:
    """What each back-order gets of free units, in this order: from its own location first, in few parcels. Pure."""
    left, found = dict(free), []
    for row in waiting:
        variant_id = row["variant_id"]
        places = dict.fromkeys([row["location_id"], *row["ships_from"]])
        supply = [Supply(place, max(0, left.get((variant_id, place), 0))) for place in places]
        units = min(row["quantity"], sum(place.quantity for place in supply))
        pieces = (
            assign_units([Demand(0, variant_id, units)], {variant_id: supply}, rules=CHANNEL_ORDER_RULES)
            if units
            else []
        )
        assert isinstance(pieces, list)
        for piece in pieces:
            left[variant_id, piece.location_id] -= piece.quantity
            found.append(_served(row, piece.location_id, piece.quantity))
    return found


def _served(row: Row, location_id: int, units: int) -> Reallocation:
    return Reallocation(
        fulfillment_id=row["id"],
        order_id=row["order_id"],
        order_line_id=row["order_line_id"],
        variant_id=row["variant_id"],
        method=row["method"],
        quantity=units,
        status=FulfillmentStatus.ALLOCATED,
        location_id=location_id,
        stays=location_id == row["location_id"] and units == row["quantity"],
    )


def _available(row: Row) -> int:
    promised = row["committed"] + row["reserved"]
    return int(row["on_hand"] - row["unavailable"] - promised - row["safety_stock"])


async def _take(session: Session, free: Mapping[Level, int], *, limit: int) -> list[Row]:
    """Lock those whose turn it is and their orders, but nobody's that is locked; first come, first."""
    variants, places = [variant_id for variant_id, _ in free], [place for _, place in free]
    locked = await session.fetch(_LOCK_WAITING, variants, places, list(free.values()), limit)
    if not locked:
        return []
    # Read anew: their lines may have changed before they were locked.
    return await session.fetch(_LOCKED, [row["id"] for row in locked], places)


async def _give(session: Session, waiting: Sequence[Row], free: Mapping[Level, int], *, actor: str) -> int:
    served = assign(waiting, free)
    return await reallocate.apply(session, served, reason=RECEIPT, actor=actor) if served else 0


_WAITING = """
    SELECT f.id, f.order_id, f.location_id, f.method, fl.order_line_id, fl.quantity, l.variant_id, o.channel_id,
        o.placed_at
    FROM fulfillment f JOIN fulfillment_line fl ON fl.fulfillment_id = f.id
    JOIN order_line l ON l.id = fl.order_line_id JOIN orders o ON o.id = f.order_id
    WHERE f.status = 'BACKORDERED'
"""

_SHIPS = """
    SELECT s.channel_id, s.location_id, s.position FROM channel_location s
    JOIN location p ON p.id = s.location_id WHERE p.ships_orders
"""
"""Which locations a channel's orders are shipped from, by `position`."""

_WANTED = f"""
    WITH waiting AS MATERIALIZED ({_WAITING}), place AS (
        SELECT variant_id, location_id FROM waiting
        UNION
        SELECT w.variant_id, s.location_id
        FROM (SELECT DISTINCT variant_id, channel_id FROM waiting WHERE method = 'SHIP') w
        JOIN ({_SHIPS}) s USING (channel_id)
    ), wanted AS (
        SELECT variant_id, location_id, {AVAILABLE} AS free
        FROM place JOIN stock_level l USING (variant_id, location_id) WHERE {AVAILABLE} > 0
    ), turn AS (
        SELECT variant_id FROM waiting WHERE variant_id IN (SELECT variant_id FROM wanted)
        GROUP BY variant_id ORDER BY min(placed_at), variant_id LIMIT $1
    )
    SELECT variant_id, location_id, free FROM wanted JOIN turn USING (variant_id)
"""
"""Units that somebody waits for, of so many variants: those that are waited for longest."""

# Whoever has as many units before him at a level as all levels of the variant have gets none of that level.
_LOCK_WAITING = f"""
    WITH level AS (
        SELECT *, sum(free) OVER (PARTITION BY variant_id) AS total
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS l(variant_id, location_id, free)
    ), due AS (
        SELECT DISTINCT placed_at, order_id, id FROM (
            SELECT w.*, v.total, sum(w.quantity) OVER (
                PARTITION BY v.variant_id, v.location_id ORDER BY w.placed_at, w.order_id, w.id) - w.quantity AS before
            FROM ({_WAITING}) w JOIN level v USING (variant_id)
            WHERE v.location_id = w.location_id OR w.method = 'SHIP' AND EXISTS (
                SELECT FROM ({_SHIPS}) s WHERE (s.channel_id, s.location_id) = (w.channel_id, v.location_id))
        ) queue WHERE before < total ORDER BY placed_at, order_id, id LIMIT $4
    )
    SELECT f.id FROM due JOIN orders o ON o.id = due.order_id JOIN fulfillment f ON f.id = due.id
    WHERE f.status = 'BACKORDERED' ORDER BY o.placed_at, o.id, f.id FOR UPDATE OF o, f SKIP LOCKED
"""

_LOCKED = f"""
    SELECT w.*, ARRAY(
        SELECT s.location_id FROM ({_SHIPS}) s
        WHERE w.method = 'SHIP' AND s.channel_id = w.channel_id AND s.location_id = ANY($2) ORDER BY s.position
    ) AS ships_from
    FROM ({_WAITING} AND f.id = ANY($1)) w ORDER BY placed_at, order_id, id
"""
