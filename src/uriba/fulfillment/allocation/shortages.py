"""Shortages: promised units that are not there any more come from another location, or are back-ordered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from uriba.cart.enums import FulfillmentMethod
from uriba.core.actor import SYSTEM
from uriba.db import Session
from uriba.db.rows import typed_rows
from uriba.db.statements import statement
from uriba.fulfillment.allocation import reallocate
from uriba.fulfillment.allocation.reallocate import Reallocation
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.fulfillment.sourcing.selection import Assignment, Demand, Supply, assign_units
from uriba.fulfillment.sourcing.stock import load_stock
from uriba.inventory import ledger
from uriba.inventory.queries import SHORT_LEVELS, LevelKey
from uriba.orders import locks
from uriba.orders.queries import ORDERED_UNITS, PLACED_ORDERS

SHORTAGE = "SHORTAGE"
"""The reason of the timeline: the units are not there any more."""

PROMISES_MAX = 50
"""Promises of one level that one transaction looks at; the next transaction continues."""


class BrokenPromise(NamedTuple):
    """Allocated units of a fulfillment's line at a level that is `short` of promised units."""

    fulfillment_id: UUID
    order_id: UUID
    order_line_id: UUID
    method: str
    channel_id: int
    quantity: int
    short: int


async def short_levels(session: Session, limit: int) -> list[LevelKey]:
    """Return levels that are short of promised units, of which some can still be reallocated."""
    rows = await session.fetch(_SHORT_LEVELS, limit=limit)
    return [(row["variant_id"], row["location_id"]) for row in rows]


async def reallocate_short_level(session: Session, level: LevelKey) -> int:
    """Reallocate or back-order as many promised units as a level is short of; return how many units.

    The newest promise loses first. Units that were picked stay allocated. Orders are
    locked first, by id, then the levels, and the decision is made on the locked rows.
    """
    promises = await _lock_promises(session, level)
    if not promises:
        return 0
    short, supply = promises[0].short, await _supply_by_channel(session, level, promises)
    seen = {s.location_id: s.quantity for by_location in supply.values() for s in by_location}
    expected = plan_reallocations(level, promises, supply, short=short, available=seen)
    rows = await ledger.lock_levels(session, {level, *((r.variant_id, r.location_id) for r in expected)})
    available = {location_id: row.free for (_, location_id), row in rows.items()}
    short = min(short, rows[level].short)
    reallocations = plan_reallocations(level, promises, supply, short=short, available=available)
    if not reallocations:
        return 0
    return await reallocate.apply(session, reallocations, reason=SHORTAGE, actor=SYSTEM.label)


def plan_reallocations(
    level: LevelKey,
    promises: Sequence[BrokenPromise],
    supply: Mapping[int, Sequence[Supply]],
    *,
    short: int,
    available: Mapping[int, int],
) -> list[Reallocation]:
    """Decide what becomes of `short` promised units, in the order of the promises. Pure.

    `supply`: the other locations by channel, best first. `available`: units by location.
    """
    left, reallocations = dict(available), []
    for promise in promises:
        units = min(promise.quantity, short)
        if units <= 0:
            break
        short -= units
        assignments = _assign_elsewhere(level, promise, units, supply, left)
        for assignment in assignments:
            left[assignment.location_id] -= assignment.quantity
            reallocations.append(
                _reallocation(level, promise, assignment.quantity, FulfillmentStatus.ALLOCATED, assignment.location_id)
            )
        if not assignments:
            reallocations.append(_reallocation(level, promise, units, FulfillmentStatus.BACKORDERED, level[1]))
    return reallocations


def _assign_elsewhere(
    level: LevelKey, promise: BrokenPromise, units: int, supply: Mapping[int, Sequence[Supply]], left: Mapping[int, int]
) -> list[Assignment]:
    """Assign the units to other locations, all of them or none."""
    if promise.method != FulfillmentMethod.SHIP:
        return []  # The customer chose the store.
    candidates = [replace(s, quantity=max(0, left.get(s.location_id, 0))) for s in supply[promise.channel_id]]
    assignments = assign_units([Demand(0, level[0], units)], {level[0]: candidates})
    return assignments if isinstance(assignments, list) else []


def _reallocation(
    level: LevelKey, promise: BrokenPromise, units: int, status: FulfillmentStatus, location_id: int
) -> Reallocation:
    return Reallocation(
        fulfillment_id=promise.fulfillment_id,
        order_id=promise.order_id,
        order_line_id=promise.order_line_id,
        variant_id=level[0],
        method=promise.method,
        quantity=units,
        status=status,
        location_id=location_id,
        committed_at=level[1],
    )


async def _lock_promises(session: Session, level: LevelKey) -> list[BrokenPromise]:
    """Lock the orders of the newest promises at a short level, as many as it is short of; return the promises."""
    seen = await _broken_promises(session, level, None)
    order_ids = {promise.order_id for promise in seen}
    await locks.lock_all(session, order_ids)
    return await _broken_promises(session, level, list(order_ids))


async def _broken_promises(session: Session, level: LevelKey, order_ids: Sequence[UUID] | None) -> list[BrokenPromise]:
    """Return the newest promises of a level, as many as it is short of. `order_ids` None: of all orders."""
    rows = await session.fetch(
        _BROKEN_PROMISES, variant_id=level[0], location_id=level[1], order_ids=order_ids, limit=PROMISES_MAX
    )
    return typed_rows(BrokenPromise, rows)


async def _supply_by_channel(
    session: Session, level: LevelKey, promises: Sequence[BrokenPromise]
) -> dict[int, list[Supply]]:
    """Return, by channel of the units to be shipped, the other locations that could send them."""
    supply = {}
    for channel_id in {p.channel_id for p in promises if p.method == FulfillmentMethod.SHIP}:
        stock = await load_stock(session, [level[0]], channel_id=channel_id)
        supply[channel_id] = stock.shippable(excluding=[level[1]])[level[0]]
    return supply


_SHORT_LEVELS = statement(f"""
    SELECT DISTINCT s.variant_id, s.location_id FROM ({SHORT_LEVELS}) s
    JOIN fulfillment f ON f.location_id = s.location_id AND f.status = 'ALLOCATED'
    JOIN fulfillment_line fl ON fl.fulfillment_id = f.id
    JOIN ({ORDERED_UNITS}) l ON l.order_line_id = fl.order_line_id AND l.variant_id = s.variant_id
    LIMIT :limit
""")

_BROKEN_PROMISES = statement(f"""
    SELECT promise.fulfillment_id, promise.order_id, promise.order_line_id, promise.method, promise.channel_id,
        promise.quantity, s.short
    FROM (
        SELECT f.id AS fulfillment_id, f.order_id, f.method, fl.order_line_id, fl.quantity, o.channel_id,
            sum(fl.quantity) OVER (ORDER BY o.placed_at DESC, o.order_id DESC, f.id DESC, fl.order_line_id)
                - fl.quantity AS newer
        FROM fulfillment f JOIN fulfillment_line fl ON fl.fulfillment_id = f.id
        JOIN ({ORDERED_UNITS}) l ON l.order_line_id = fl.order_line_id AND l.variant_id = :variant_id
        JOIN ({PLACED_ORDERS}) o ON o.order_id = f.order_id
        WHERE f.location_id = :location_id AND f.status = 'ALLOCATED'
            AND (:order_ids::uuid[] IS NULL OR o.order_id = ANY(:order_ids))
    ) promise JOIN ({SHORT_LEVELS}) s ON promise.newer < s.short
    WHERE (s.variant_id, s.location_id) = (:variant_id, :location_id)
    ORDER BY newer LIMIT :limit
""")
