"""Splits: some units of a fulfillment become a fulfillment of their own, which can advance or fail alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from uriba.core.errors import InvalidQuantity, NotFound
from uriba.core.ids import new_id
from uriba.db import Session
from uriba.db.statements import statement
from uriba.fulfillment.order_snapshot import FulfillmentPart


def requested_units(parts: Sequence[FulfillmentPart], units: Mapping[UUID, int] | None) -> dict[UUID, int]:
    """Return the requested units of a fulfillment by order line: all units where none are named.

    Errors: `NotFound` for a line that is not in the fulfillment, `InvalidQuantity`.
    """
    available = {part.line_id: part.quantity for part in parts}
    if units is None:
        return available
    for index, (line_id, quantity) in enumerate(units.items()):
        if line_id not in available:
            raise NotFound("This line is not in the fulfillment.", "lines", index, "orderLineId")
        if not 0 < quantity <= available[line_id]:
            limit = f"The fulfillment has {available[line_id]} units of this line. Give a number from 1 to that."
            raise InvalidQuantity(limit, "lines", index, "quantity")
    return dict(units)


async def split_off(
    session: Session, fulfillment_id: UUID, parts: Sequence[FulfillmentPart], units: Mapping[UUID, int]
) -> UUID:
    """Return the id of a fulfillment with exactly these units.

    Where they are all units, it is the same fulfillment; else a new one with the same status.
    """
    if units == {part.line_id: part.quantity for part in parts}:
        return fulfillment_id
    new_fulfillment_id = new_id()
    await session.run(_COPY, fulfillment_id=fulfillment_id, new_id=new_fulfillment_id)
    await session.run(
        _MOVE_UNITS,
        fulfillment_id=fulfillment_id,
        new_id=new_fulfillment_id,
        line_ids=list(units),
        quantities=list(units.values()),
    )
    return new_fulfillment_id


_COPY = statement("""
    INSERT INTO fulfillment (id, order_id, location_id, method, status, tracking, pickup_code, ready_by, hold_until,
        sourcing)
    SELECT :new_id, order_id, location_id, method, status, tracking, pickup_code, ready_by, hold_until, sourcing
    FROM fulfillment WHERE id = :fulfillment_id
""")

_MOVE_UNITS = statement("""
    WITH moved AS (
        SELECT * FROM unnest(:line_ids::uuid[], :quantities::bigint[]) AS u(order_line_id, quantity)
    ), deleted AS (
        DELETE FROM fulfillment_line l USING moved m
        WHERE l.fulfillment_id = :fulfillment_id AND l.order_line_id = m.order_line_id AND l.quantity = m.quantity
    ), reduced AS (
        UPDATE fulfillment_line l SET quantity = l.quantity - m.quantity FROM moved m
        WHERE l.fulfillment_id = :fulfillment_id AND l.order_line_id = m.order_line_id AND l.quantity > m.quantity
    )
    INSERT INTO fulfillment_line (fulfillment_id, order_line_id, quantity)
    SELECT :new_id, order_line_id, quantity FROM moved
""")
