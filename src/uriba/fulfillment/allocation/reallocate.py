"""Reallocation: allocated units move to another location or are back-ordered; back-ordered units are allocated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from uuid import UUID

import msgspec

from uriba.core.ids import new_id
from uriba.db import Session
from uriba.db.statements import statement
from uriba.fulfillment import order_progress
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason
from uriba.inventory.ledger import Movement


class Reallocation(msgspec.Struct, frozen=True, kw_only=True):
    """Units of a fulfillment's line and their new location and status.

    `committed_at`: the location where they are committed now; None for back-ordered units. `keeps_fulfillment`: they
    are all units of the fulfillment and stay at its location, so only its status changes.
    """

    fulfillment_id: UUID
    order_id: UUID
    order_line_id: UUID
    variant_id: int
    method: str
    quantity: int
    status: FulfillmentStatus
    location_id: int
    committed_at: int | None = None
    keeps_fulfillment: bool = False


async def apply(session: Session, reallocations: Sequence[Reallocation], *, reason: str, actor: str) -> int:
    """Move the units between levels and fulfillments and record it on the timelines; return how many units.

    The caller has locked the orders, then the levels, and has checked on the locked levels that the units are there.
    """
    by_order = groupby(sorted(reallocations, key=lambda r: r.order_id), key=lambda r: r.order_id)
    for order_id, group in by_order:
        movements = [movement for reallocation in group for movement in _movements(reallocation)]
        await ledger.post(session, movements, reference=f"order:{order_id}", actor=actor)
    changed = await _write(session, reallocations)
    await order_progress.record_updates(session, changed, reason=reason, actor=actor)
    return sum(reallocation.quantity for reallocation in reallocations)


def _movements(reallocation: Reallocation) -> list[Movement]:
    units, movements = reallocation.quantity, []
    if reallocation.committed_at is not None:
        movements.append(
            Movement(
                variant_id=reallocation.variant_id,
                location_id=reallocation.committed_at,
                reason=StockReason.RELEASE,
                quantity=units,
                committed=-units,
            )
        )
    if reallocation.status is FulfillmentStatus.ALLOCATED:
        movements.append(
            Movement(
                variant_id=reallocation.variant_id,
                location_id=reallocation.location_id,
                reason=StockReason.COMMIT,
                quantity=units,
                committed=units,
                need=units,
            )
        )
    return movements


async def _write(session: Session, reallocations: Sequence[Reallocation]) -> list[UUID]:
    """Write the fulfillments; return the ids of those that changed, then of the new ones."""
    kept = [r for r in reallocations if r.keeps_fulfillment]
    moved = [r for r in reallocations if not r.keeps_fulfillment]
    new_ids = [new_id() for _ in moved]
    if kept:
        await session.run(_SET_STATUS, ids=[r.fulfillment_id for r in kept], statuses=[r.status for r in kept])
    if moved:
        await session.run(
            _MOVE_UNITS,
            fulfillment_ids=[r.fulfillment_id for r in moved],
            order_line_ids=[r.order_line_id for r in moved],
            quantities=[r.quantity for r in moved],
            new_ids=new_ids,
            order_ids=[r.order_id for r in moved],
            location_ids=[r.location_id for r in moved],
            methods=[r.method for r in moved],
            statuses=[r.status for r in moved],
        )
    return [*dict.fromkeys(r.fulfillment_id for r in reallocations), *new_ids]


_SET_STATUS = statement("""
    UPDATE fulfillment f SET status = s.status FROM unnest(:ids::uuid[], :statuses::text[]) AS s(id, status)
    WHERE f.id = s.id
""")

# A fulfillment that loses all of its units becomes REJECTED and keeps its lines, which say what it was.
_MOVE_UNITS = statement("""
    WITH part AS MATERIALIZED (
        SELECT * FROM unnest(:fulfillment_ids::uuid[], :order_line_ids::uuid[], :quantities::bigint[], :new_ids::uuid[],
            :order_ids::uuid[], :location_ids::bigint[], :methods::text[], :statuses::text[])
            AS p(old_id, order_line_id, quantity, id, order_id, location_id, method, status)
    ), moved AS MATERIALIZED (
        SELECT old_id AS fulfillment_id, order_line_id, sum(quantity)::bigint AS quantity FROM part GROUP BY 1, 2
    ), emptied AS MATERIALIZED (
        SELECT fl.fulfillment_id FROM fulfillment_line fl LEFT JOIN moved m USING (fulfillment_id, order_line_id)
        WHERE fl.fulfillment_id = ANY(:fulfillment_ids)
        GROUP BY 1 HAVING bool_and(fl.quantity = coalesce(m.quantity, 0))
    ), rejected AS (
        UPDATE fulfillment f SET status = 'REJECTED' FROM emptied e WHERE f.id = e.fulfillment_id
    ), deleted AS (
        DELETE FROM fulfillment_line fl USING moved m
        WHERE (fl.fulfillment_id, fl.order_line_id) = (m.fulfillment_id, m.order_line_id)
            AND fl.quantity = m.quantity AND fl.fulfillment_id NOT IN (SELECT fulfillment_id FROM emptied)
    ), reduced AS (
        UPDATE fulfillment_line fl SET quantity = fl.quantity - m.quantity FROM moved m
        WHERE (fl.fulfillment_id, fl.order_line_id) = (m.fulfillment_id, m.order_line_id)
            AND fl.quantity <> m.quantity AND fl.fulfillment_id NOT IN (SELECT fulfillment_id FROM emptied)
    ), created AS (
        INSERT INTO fulfillment (id, order_id, location_id, method, status)
        SELECT id, order_id, location_id, method, status FROM part
    )
    INSERT INTO fulfillment_line (fulfillment_id, order_line_id, quantity)
    SELECT id, order_line_id, quantity FROM part
""")
