"""Carving: units of a fulfillment go on as one of their own, so that a part can be ready, leave or fail alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from uriba.core.errors import InvalidQuantity, NotFound
from uriba.core.ids import new_id
from uriba.db import Session
from uriba.fulfillment.order_snapshot import FulfillmentPart


def requested_units(pieces: Sequence[FulfillmentPart], units: Mapping[UUID, int] | None) -> dict[UUID, int]:
    """The units of a fulfillment that are meant, by line: all of them where none are named.

    Errors: `NotFound` for a line that is not in it, `InvalidQuantity`.
    """
    have = {piece.line_id: piece.quantity for piece in pieces}
    if units is None:
        return have
    for index, (line_id, quantity) in enumerate(units.items()):
        if line_id not in have:
            raise NotFound("This line is not in the fulfillment.", "lines", index, "orderLineId")
        if not 0 < quantity <= have[line_id]:
            raise InvalidQuantity(f"There are {have[line_id]} units of this line in it.", "lines", index, "quantity")
    return dict(units)


async def split_off(
    session: Session, fulfillment_id: UUID, pieces: Sequence[FulfillmentPart], units: Mapping[UUID, int]
) -> UUID:
    """The fulfillment that has exactly these units: the same where they are all, else a new one, as far as it was."""
    if units == {piece.line_id: piece.quantity for piece in pieces}:
        return fulfillment_id
    part_id = new_id()
    await session.run(_NEW, fulfillment_id, part_id)
    await session.run(_MOVE, fulfillment_id, part_id, list(units), list(units.values()))
    return part_id


_NEW = """
    INSERT INTO fulfillment (id, order_id, location_id, method, status, tracking, pickup_code, ready_by, hold_until,
        sourcing)
    SELECT $2, order_id, location_id, method, status, tracking, pickup_code, ready_by, hold_until, sourcing
    FROM fulfillment WHERE id = $1
"""
_MOVE = """
    WITH part AS (
        SELECT * FROM unnest($3::uuid[], $4::bigint[]) AS p(order_line_id, quantity)
    ), gone AS (
        DELETE FROM fulfillment_line l USING part p
        WHERE l.fulfillment_id = $1 AND l.order_line_id = p.order_line_id AND l.quantity = p.quantity
    ), less AS (
        UPDATE fulfillment_line l SET quantity = l.quantity - p.quantity FROM part p
        WHERE l.fulfillment_id = $1 AND l.order_line_id = p.order_line_id AND l.quantity > p.quantity
    )
    INSERT INTO fulfillment_line (fulfillment_id, order_line_id, quantity)
    SELECT $2, order_line_id, quantity FROM part
"""
