"""Shortages: promises that facts made impossible are kept from elsewhere, else they wait, and the customer is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from uriba.cart.models import FulfillmentMethod
from uriba.core.actor import SYSTEM
from uriba.db import Row, Session
from uriba.fulfillment.allocation import level_locks, reallocate
from uriba.fulfillment.allocation.level_locks import Level
from uriba.fulfillment.allocation.reallocate import Reallocation
from uriba.fulfillment.models import FulfillmentStatus
from uriba.fulfillment.sourcing.selection import Assignment, Demand, Supply, assign_units
from uriba.fulfillment.sourcing.stock import load_stock

SHORTAGE = "SHORTAGE"
"""Why units have to come from elsewhere, or wait."""

PROMISES_MAX = 50
"""Promises of one level that are looked at in one transaction; the next one goes on."""


async def short_levels(session: Session, limit: int) -> list[Level]:
    """Levels that are short of promised units of which some can still be taken back."""
    rows = await session.fetch(_SHORT, limit)
    return [(row["variant_id"], row["location_id"]) for row in rows]


async def reallocate_short_level(session: Session, level: Level) -> int:
    """Have as many promised units as a level is short of come from elsewhere, or wait; how many.

    The newest promise loses first; what is picked is put aside and stays. Orders are locked first, by id, then the
    levels: what is decided is decided on what they are then.
    """
    promises = await _locked_promises(session, level)
    if not promises:
        return 0
    short, places = promises[0]["short"], await _places(session, level, promises)
    seen = {place.location_id: place.quantity for supply in places.values() for place in supply}
    likely = plan_reallocations(level, promises, places, short=short, free=seen)
    rows = await level_locks.lock(session, {level, *((part.variant_id, part.location_id) for part in likely)})
    free = {place: row["free"] for (_, place), row in rows.items()}
    parts = plan_reallocations(level, promises, places, short=min(short, rows[level]["short"]), free=free)
    return await reallocate.apply(session, parts, reason=SHORTAGE, actor=SYSTEM.label) if parts else 0


def plan_reallocations(
    level: Level,
    promises: Sequence[Row],
    places: Mapping[int, Sequence[Supply]],
    *,
    short: int,
    free: Mapping[int, int],
) -> list[Reallocation]:
    """What becomes of so many promised units, in this order; `places` by channel, best first. Pure."""
    left, parts = dict(free), []
    for promise in promises:
        units = min(promise["quantity"], short)
        if units <= 0:
            break
        short -= units
        pieces = _elsewhere(level, promise, units, places, left)
        for piece in pieces:
            left[piece.location_id] -= piece.quantity
            parts.append(_part(level, promise, piece.quantity, FulfillmentStatus.ALLOCATED, piece.location_id))
        if not pieces:
            parts.append(_part(level, promise, units, FulfillmentStatus.BACKORDERED, level[1]))
    return parts


def _elsewhere(
    level: Level, promise: Row, units: int, places: Mapping[int, Sequence[Supply]], left: Mapping[int, int]
) -> list[Assignment]:
    """Where the units can be shipped from, all of them; none where they have to wait."""
    if promise["method"] != FulfillmentMethod.SHIP:
        return []  # The customer chose the store.
    supply = [replace(p, quantity=max(0, left.get(p.location_id, 0))) for p in places[promise["channel_id"]]]
    pieces = assign_units([Demand(0, level[0], units)], {level[0]: supply})
    return pieces if isinstance(pieces, list) else []


def _part(level: Level, promise: Row, units: int, status: FulfillmentStatus, location_id: int) -> Reallocation:
    return Reallocation(
        fulfillment_id=promise["id"],
        order_id=promise["order_id"],
        order_line_id=promise["order_line_id"],
        variant_id=level[0],
        method=promise["method"],
        quantity=units,
        status=status,
        location_id=location_id,
        held_at=level[1],
    )


async def _locked_promises(session: Session, level: Level) -> list[Row]:
    """The newest promises at a level that is short, as many as it is short of, in locked orders."""
    found = await session.fetch(_PROMISES, *level, None, PROMISES_MAX)
    order_ids: list[UUID] = sorted({row["order_id"] for row in found})
    await session.fetch("SELECT FROM orders WHERE id = ANY($1) ORDER BY id FOR UPDATE", order_ids)
    return await session.fetch(_PROMISES, *level, order_ids, PROMISES_MAX)


async def _places(session: Session, level: Level, promises: Sequence[Row]) -> dict[int, list[Supply]]:
    """By channel of what is to be shipped: the other locations that could send it."""
    found = {}
    for channel_id in {p["channel_id"] for p in promises if p["method"] == FulfillmentMethod.SHIP}:
        stock = await load_stock(session, [level[0]], channel_id=channel_id)
        found[channel_id] = stock.shippable(excluding=[level[1]])[level[0]]
    return found


_SHORT = """
    SELECT DISTINCT s.variant_id, s.location_id FROM stock_level s
    JOIN fulfillment f ON f.location_id = s.location_id AND f.status = 'ALLOCATED'
    JOIN fulfillment_line fl ON fl.fulfillment_id = f.id
    JOIN order_line l ON l.id = fl.order_line_id AND l.variant_id = s.variant_id
    WHERE s.shortage > 0 AND s.committed > 0 LIMIT $1
"""

_PROMISES = """
    SELECT promise.*, s.short FROM (
        SELECT f.id, f.order_id, f.method, fl.order_line_id, fl.quantity, o.channel_id, o.placed_at,
            sum(fl.quantity) OVER (ORDER BY o.placed_at DESC, o.id DESC, f.id DESC, fl.order_line_id) - fl.quantity
                AS newer
        FROM fulfillment f JOIN fulfillment_line fl ON fl.fulfillment_id = f.id
        JOIN order_line l ON l.id = fl.order_line_id AND l.variant_id = $1
        JOIN orders o ON o.id = f.order_id
        WHERE f.location_id = $2 AND f.status = 'ALLOCATED' AND ($3::uuid[] IS NULL OR o.id = ANY($3))
    ) promise JOIN (
        SELECT least(shortage, committed) AS short FROM stock_level WHERE (variant_id, location_id) = ($1, $2)
    ) s ON promise.newer < s.short
    ORDER BY newer LIMIT $4
"""
