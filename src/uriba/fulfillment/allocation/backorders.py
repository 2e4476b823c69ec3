"""Back-orders: promises that wait for goods. They are filled in the order in which their orders were placed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from uriba.core.actor import SYSTEM
from uriba.db import Row, Session
from uriba.db.rows import typed_rows
from uriba.db.statements import statement
from uriba.fulfillment.allocation import reallocate
from uriba.fulfillment.allocation.reallocate import Reallocation
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.fulfillment.sourcing.rules import CHANNEL_ORDER_RULES
from uriba.fulfillment.sourcing.selection import Demand, Supply, assign_units
from uriba.inventory import ledger
from uriba.inventory.queries import AVAILABLE_UNITS, LevelKey, levels_by_key
from uriba.orders import locks
from uriba.orders.queries import ORDERED_UNITS, PLACED_ORDERS

RECEIPT = "RECEIPT"
"""The reason of the timeline: goods were received."""

FILLED_BY_RECEIPT_MAX = 100
"""Back-orders that one receipt fills itself; the sweep fills the others."""


class Backorder(NamedTuple):
    """Back-ordered units of a fulfillment's line.

    `shipping_location_ids`: for units to be shipped, the candidates that ship orders of the channel, its best first.
    """

    fulfillment_id: UUID
    order_id: UUID
    location_id: int
    method: str
    order_line_id: UUID
    quantity: int
    variant_id: int
    shipping_location_ids: Sequence[int]


async def fill(session: Session, levels: Sequence[Row], *, actor: str) -> int:
    """Allocate units that became available to the back-orders that wait for them; return how many units.

    `levels`: as the ledger returned them. This transaction holds their locks, and orders are locked before stock: an
    order that another transaction has locked is skipped, not waited for, and filled by the sweep.
    """
    available = {(row["variant_id"], row["location_id"]): row["available"] for row in levels if row["available"] > 0}
    if not available:
        return 0
    backorders = await _lock_backorders(session, available, limit=FILLED_BY_RECEIPT_MAX)
    return await _allocate(session, backorders, available, actor=actor)


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
    """Fill back-orders for which some location has units, for whatever reason; return how many units.

    `limit`: variants, and back-orders.
    """
    rows = await session.fetch(_FILLABLE_LEVELS, variants_max=limit)
    seen = {(row["variant_id"], row["location_id"]): row["available"] for row in rows}
    if not seen:
        return 0
    backorders = await _lock_backorders(session, seen, limit=limit)
    wanted = {(r.variant_id, r.location_id) for r in assign(backorders, seen)}
    available = {level: row.free for level, row in (await ledger.lock_levels(session, wanted)).items()}
    return await _allocate(session, backorders, available, actor=SYSTEM.label)


def assign(backorders: Sequence[Backorder], available: Mapping[LevelKey, int]) -> list[Reallocation]:
    """Assign available units to back-orders in their order: from the own location first, in few shipments. Pure."""
    left, reallocations = dict(available), []
    for backorder in backorders:
        variant_id = backorder.variant_id
        location_ids = dict.fromkeys([backorder.location_id, *backorder.shipping_location_ids])
        supply = [Supply(key, max(0, left.get((variant_id, key), 0))) for key in location_ids]
        units = min(backorder.quantity, sum(s.quantity for s in supply))
        assignments = assign_units([Demand(0, variant_id, units)], {variant_id: supply}, rules=CHANNEL_ORDER_RULES)
        assert isinstance(assignments, list)
        for assignment in assignments:
            left[variant_id, assignment.location_id] -= assignment.quantity
            reallocations.append(_reallocation(backorder, assignment.location_id, assignment.quantity))
    return reallocations


def _reallocation(backorder: Backorder, location_id: int, units: int) -> Reallocation:
    return Reallocation(
        fulfillment_id=backorder.fulfillment_id,
        order_id=backorder.order_id,
        order_line_id=backorder.order_line_id,
        variant_id=backorder.variant_id,
        method=backorder.method,
        quantity=units,
        status=FulfillmentStatus.ALLOCATED,
        location_id=location_id,
        keeps_fulfillment=location_id == backorder.location_id and units == backorder.quantity,
    )


async def _lock_backorders(session: Session, available: Mapping[LevelKey, int], *, limit: int) -> list[Backorder]:
    """Lock the orders of the next back-orders, except for orders that are locked; return the back-orders."""
    location_ids = [location_id for _, location_id in available]
    due = await session.fetch(
        _DUE,
        variant_ids=[variant_id for variant_id, _ in available],
        location_ids=location_ids,
        available=list(available.values()),
        limit=limit,
    )
    locked = await locks.lock_unlocked(session, {row["order_id"] for row in due}) if due else []
    if not locked:
        return []
    # Read again: their lines may have changed before they were locked.
    rows = await session.fetch(
        _BACKORDERS, ids=[row["fulfillment_id"] for row in due], order_ids=locked, location_ids=location_ids
    )
    return typed_rows(Backorder, rows)


async def _allocate(
    session: Session, backorders: Sequence[Backorder], available: Mapping[LevelKey, int], *, actor: str
) -> int:
    reallocations = assign(backorders, available)
    return await reallocate.apply(session, reallocations, reason=RECEIPT, actor=actor) if reallocations else 0


_WAITING = f"""
    SELECT f.id AS fulfillment_id, f.order_id, f.location_id, f.method, fl.order_line_id, fl.quantity, l.variant_id,
        o.channel_id, o.placed_at
    FROM fulfillment f JOIN fulfillment_line fl ON fl.fulfillment_id = f.id
    JOIN ({ORDERED_UNITS}) l ON l.order_line_id = fl.order_line_id JOIN ({PLACED_ORDERS}) o ON o.order_id = f.order_id
    WHERE f.status = 'BACKORDERED'
"""

_SHIPPING_LOCATIONS = """
    SELECT s.channel_id, s.location_id, s.position FROM channel_location s
    JOIN location p ON p.id = s.location_id WHERE p.ships_orders
"""
"""The locations that ship the orders of each channel, by `position`."""

# The variants that have been waited for longest come first.
_FILLABLE_LEVELS = statement(f"""
    WITH waiting AS MATERIALIZED ({_WAITING}), candidate AS (
        SELECT variant_id, location_id FROM waiting
        UNION
        SELECT w.variant_id, s.location_id
        FROM (SELECT DISTINCT variant_id, channel_id FROM waiting WHERE method = 'SHIP') w
        JOIN ({_SHIPPING_LOCATIONS}) s USING (channel_id)
    ), fillable AS (
        SELECT variant_id, location_id, l.available
        FROM candidate JOIN ({AVAILABLE_UNITS}) l USING (variant_id, location_id) WHERE l.available > 0
    ), next_variant AS (
        SELECT variant_id FROM waiting WHERE variant_id IN (SELECT variant_id FROM fillable)
        GROUP BY variant_id ORDER BY min(placed_at), variant_id LIMIT :variants_max
    )
    SELECT variant_id, location_id, available FROM fillable JOIN next_variant USING (variant_id)
""")

# A back-order gets nothing of a level if those before it want as many units there as all levels of the variant have.
_DUE = statement(f"""
    WITH level AS (
        SELECT *, sum(available) OVER (PARTITION BY variant_id) AS total
        FROM unnest(:variant_ids::bigint[], :location_ids::bigint[], :available::bigint[])
            AS l(variant_id, location_id, available)
    )
    SELECT DISTINCT placed_at, order_id, fulfillment_id FROM (
        SELECT w.*, v.total, sum(w.quantity) OVER (
            PARTITION BY v.variant_id, v.location_id ORDER BY w.placed_at, w.order_id, w.fulfillment_id
        ) - w.quantity AS before
        FROM ({_WAITING}) w JOIN level v USING (variant_id)
        WHERE v.location_id = w.location_id OR w.method = 'SHIP' AND EXISTS (
            SELECT FROM ({_SHIPPING_LOCATIONS}) s WHERE (s.channel_id, s.location_id) = (w.channel_id, v.location_id))
    ) queue WHERE before < total ORDER BY placed_at, order_id, fulfillment_id LIMIT :limit
""")

_BACKORDERS = statement(f"""
    SELECT w.fulfillment_id, w.order_id, w.location_id, w.method, w.order_line_id, w.quantity, w.variant_id, ARRAY(
        SELECT s.location_id FROM ({_SHIPPING_LOCATIONS}) s
        WHERE w.method = 'SHIP' AND s.channel_id = w.channel_id AND s.location_id = ANY(:location_ids)
        ORDER BY s.position
    ) AS shipping_location_ids
    FROM ({_WAITING} AND f.id = ANY(:ids) AND f.order_id = ANY(:order_ids)) w
    ORDER BY placed_at, order_id, fulfillment_id
""")
