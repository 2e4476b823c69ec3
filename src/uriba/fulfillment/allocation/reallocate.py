"""Splits: units of a fulfillment are to come from elsewhere, wait for goods, or wait no more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from uuid import UUID

import msgspec

from uriba.core.ids import new_id
from uriba.db import Row, Session
from uriba.fulfillment.events import FulfillmentUpdated
from uriba.fulfillment.models import FulfillmentStatus
from uriba.inventory import ledger
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason
from uriba.orders import timeline
from uriba.orders.timeline import TimelineEntry


class Reallocation(msgspec.Struct, frozen=True, kw_only=True):
    """Units of a fulfillment's line, and what becomes of them.

    `held_at`: where they are committed until now, None for those that wait. `stays`: they are all of the fulfillment
    and change nothing but its status.
    """

    fulfillment_id: UUID
    order_id: UUID
    order_line_id: UUID
    variant_id: int
    method: str
    quantity: int
    status: FulfillmentStatus
    location_id: int
    held_at: int | None = None
    stays: bool = False


async def apply(session: Session, splits: Sequence[Reallocation], *, reason: str, actor: str) -> int:
    """Move the promises between levels and fulfillments, and tell; how many units.

    The caller has locked the orders, and then the levels; by what it saw of them each promise can be kept.
    """
    for order_id, parts in groupby(sorted(splits, key=lambda s: s.order_id), key=lambda s: s.order_id):
        movements = [movement for part in parts for movement in _movements(part)]
        await ledger.post(session, movements, reference=f"order:{order_id}", actor=actor)
    touched = await _rewrite(session, splits)
    await tell(session, touched, reason=reason, actor=actor)
    return sum(split.quantity for split in splits)


def _movements(split: Reallocation) -> list[Movement]:
    units, found = split.quantity, []
    if split.held_at is not None:
        found.append(
            Movement(
                variant_id=split.variant_id,
                location_id=split.held_at,
                reason=StockReason.RELEASE,
                quantity=units,
                committed=-units,
            )
        )
    if split.status is FulfillmentStatus.ALLOCATED:
        found.append(
            Movement(
                variant_id=split.variant_id,
                location_id=split.location_id,
                reason=StockReason.COMMIT,
                quantity=units,
                committed=units,
                need=units,
            )
        )
    return found


async def _rewrite(session: Session, splits: Sequence[Reallocation]) -> list[UUID]:
    """Write what the fulfillments are then; those that changed or are new, in the order of their making."""
    stay = [split for split in splits if split.stays]
    leave = [split for split in splits if not split.stays]
    new = [new_id() for _ in leave]
    if stay:
        await session.run(
            "UPDATE fulfillment f SET status = s.status FROM unnest($1::uuid[], $2::text[]) AS s(id, status) "
            "WHERE f.id = s.id",
            [split.fulfillment_id for split in stay],
            [split.status for split in stay],
        )
    if leave:
        await session.run(
            _TAKE_OUT,
            [split.fulfillment_id for split in leave],
            [split.order_line_id for split in leave],
            [split.quantity for split in leave],
            new,
            [split.order_id for split in leave],
            [split.location_id for split in leave],
            [split.method for split in leave],
            [split.status for split in leave],
        )
    return [*dict.fromkeys(split.fulfillment_id for split in splits), *new]


# What is emptied keeps its lines: they say what it was.
_TAKE_OUT = """
    WITH part AS MATERIALIZED (
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[],
            $8::text[]) AS p(old_id, order_line_id, quantity, id, order_id, location_id, method, status)
    ), taken AS MATERIALIZED (
        SELECT old_id AS fulfillment_id, order_line_id, sum(quantity)::bigint AS quantity FROM part GROUP BY 1, 2
    ), emptied AS MATERIALIZED (
        SELECT fl.fulfillment_id FROM fulfillment_line fl LEFT JOIN taken t USING (fulfillment_id, order_line_id)
        WHERE fl.fulfillment_id = ANY($1) GROUP BY 1 HAVING bool_and(fl.quantity = coalesce(t.quantity, 0))
    ), rejected AS (
        UPDATE fulfillment f SET status = 'REJECTED' FROM emptied e WHERE f.id = e.fulfillment_id
    ), gone AS (
        DELETE FROM fulfillment_line fl USING taken t
        WHERE (fl.fulfillment_id, fl.order_line_id) = (t.fulfillment_id, t.order_line_id)
            AND fl.quantity = t.quantity AND fl.fulfillment_id NOT IN (SELECT fulfillment_id FROM emptied)
    ), smaller AS (
        UPDATE fulfillment_line fl SET quantity = fl.quantity - t.quantity FROM taken t
        WHERE (fl.fulfillment_id, fl.order_line_id) = (t.fulfillment_id, t.order_line_id)
            AND (fl.quantity <> t.quantity)
            AND fl.fulfillment_id NOT IN (SELECT fulfillment_id FROM emptied)
    ), made AS (
        INSERT INTO fulfillment (id, order_id, location_id, method, status)
        SELECT id, order_id, location_id, method, status FROM part
    )
    INSERT INTO fulfillment_line (fulfillment_id, order_line_id, quantity)
    SELECT id, order_line_id, quantity FROM part
"""


async def tell(session: Session, fulfillment_ids: Sequence[UUID], *, reason: str | None, actor: str) -> None:
    """A line for each in its order's timeline: where it is to come from, how far it is, how many units it has."""
    rows = await session.fetch(
        "SELECT f.id, f.order_id, f.status, f.method, f.tracking, f.hold_until, p.code, ("
        "SELECT sum(quantity) FROM fulfillment_line fl WHERE fl.fulfillment_id = f.id)::bigint AS units "
        "FROM unnest($1::uuid[]) WITH ORDINALITY AS k(id, n) JOIN fulfillment f USING (id) "
        "JOIN location p ON p.id = f.location_id ORDER BY k.n",
        fulfillment_ids,
    )
    await timeline.record(session, [_told(row, reason) for row in rows], actor=actor)


def _told(row: Row, reason: str | None) -> TimelineEntry:
    data = {
        "fulfillment": str(row["id"]),
        "status": row["status"],
        "location": row["code"],
        "method": row["method"],
        "units": row["units"],
        "reason": reason,
    }
    if row["tracking"]:
        data["tracking"] = row["tracking"]
    if row["status"] == FulfillmentStatus.READY_FOR_PICKUP and row["hold_until"]:
        data["holdUntil"] = row["hold_until"].isoformat()
    return TimelineEntry(row["order_id"], FulfillmentUpdated, data)
