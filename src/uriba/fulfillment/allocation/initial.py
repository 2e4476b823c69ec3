"""Initial fulfillments: those that an order begins with, and what they do to stock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from uriba.cart.enums import FulfillmentMethod
from uriba.db.session import Insert, Session
from uriba.db.statements import statement
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.inventory.enums import StockReason
from uriba.inventory.holds import HeldUnits
from uriba.inventory.ledger import Movement


class InitialFulfillmentLine(msgspec.Struct, frozen=True, kw_only=True):
    """Units of an order line."""

    order_line_id: UUID
    variant_id: int
    quantity: int


class InitialFulfillment(msgspec.Struct, frozen=True, kw_only=True):
    """Units that one location handles in one way. `sourcing`: why this location was chosen."""

    id: UUID
    location_id: int
    method: FulfillmentMethod
    lines: tuple[InitialFulfillmentLine, ...]
    sourcing: Mapping[str, Any] | None = None

    @property
    def carried_out(self) -> bool:
        return self.method is FulfillmentMethod.CARRY_OUT

    @property
    def status(self) -> FulfillmentStatus:
        """HANDED_OVER for units that are carried out, else ALLOCATED."""
        return FulfillmentStatus.HANDED_OVER if self.carried_out else FulfillmentStatus.ALLOCATED


def create(session: Session, *, order_id: UUID, fulfillments: Sequence[InitialFulfillment]) -> None:
    """Defer writing the fulfillments of a new order."""
    rows = [
        {"id": f.id, "location_id": f.location_id, "method": f.method, "status": f.status, "sourcing": f.sourcing}
        for f in fulfillments
    ]
    units: Counter[tuple[UUID, UUID]] = Counter()
    for fulfillment in fulfillments:
        for line in fulfillment.lines:
            units[fulfillment.id, line.order_line_id] += line.quantity
    session.defer(_INSERT_FULFILLMENTS, order_id=order_id, fulfillments=msgspec.json.encode(rows).decode())
    session.defer(
        _INSERT_LINES,
        fulfillment_ids=[fulfillment_id for fulfillment_id, _ in units],
        order_line_ids=[order_line_id for _, order_line_id in units],
        quantities=list(units.values()),
    )


_INSERT_FULFILLMENTS = statement("""
    INSERT INTO fulfillment (id, order_id, location_id, method, status, sourcing, ready_by)
    SELECT f.id, :order_id, f.location_id, f.method, f.status, f.sourcing, CASE WHEN f.method = 'PICKUP' THEN (
        SELECT now() + make_interval(mins => pickup_ready_minutes::int) FROM location l WHERE l.id = f.location_id
    ) END
    FROM json_to_recordset(:fulfillments::json)
        AS f(id uuid, location_id bigint, method text, status text, sourcing jsonb)
""")

_INSERT_LINES = statement("""
    INSERT INTO fulfillment_line (fulfillment_id, order_line_id, quantity)
    SELECT * FROM unnest(:fulfillment_ids::uuid[], :order_line_ids::uuid[], :quantities::bigint[])
""")


async def create_handed_over(session: Session, fulfillments: Sequence[tuple[UUID, InitialFulfillment]]) -> None:
    """Write fulfillments of many orders whose units were handed over already. `fulfillments`: with their order's id."""
    await session.insert(
        _FULFILLMENTS, [(f.id, order_id, f.location_id, f.method, f.status) for order_id, f in fulfillments]
    )
    await session.insert(
        _LINES, [(f.id, line.order_line_id, line.quantity) for _, f in fulfillments for line in f.lines]
    )


_FULFILLMENTS = Insert(
    "fulfillment",
    (("id", "uuid"), ("order_id", "uuid"), ("location_id", "bigint"), ("method", "text"), ("status", "text")),
)
_LINES = Insert("fulfillment_line", (("fulfillment_id", "uuid"), ("order_line_id", "uuid"), ("quantity", "bigint")))


def stock_movements(fulfillments: Sequence[InitialFulfillment], *, held: Sequence[HeldUnits] = ()) -> list[Movement]:
    """Return the stock movements of fulfillments: units that are carried out leave, the others are committed.

    `held`: the live holds for these units, one for each line; their units are taken out of what is reserved. A line
    whose hold has ended needs units that are available.
    """
    holds = Counter((hold.variant_id, hold.location_id, hold.quantity) for hold in held)
    movements = []
    for fulfillment in fulfillments:
        for line in fulfillment.lines:
            hold = (line.variant_id, fulfillment.location_id, line.quantity)
            movements.append(_movement(fulfillment, line, held=holds[hold] > 0))
            holds[hold] -= 1
    return movements


def _movement(fulfillment: InitialFulfillment, line: InitialFulfillmentLine, *, held: bool) -> Movement:
    carried_out, units = fulfillment.carried_out, line.quantity
    return Movement(
        variant_id=line.variant_id,
        location_id=fulfillment.location_id,
        reason=StockReason.SALE if carried_out else StockReason.COMMIT,
        quantity=units,
        on_hand=-units if carried_out else 0,
        committed=0 if carried_out else units,
        reserved=-units if held else 0,
        need=0 if carried_out or held else units,
        till_need=units if carried_out and not held else 0,
    )
