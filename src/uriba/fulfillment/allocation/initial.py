"""Parcels: the fulfillments that an order begins with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from uriba.cart.models import FulfillmentMethod
from uriba.db.session import Insert, Session
from uriba.fulfillment.models import FulfillmentStatus
from uriba.inventory.holds import HeldUnits
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason


class InitialFulfillmentLine(msgspec.Struct, frozen=True, kw_only=True):
    """Units of an order's line."""

    order_line_id: UUID
    variant_id: int
    quantity: int


class InitialFulfillment(msgspec.Struct, frozen=True, kw_only=True):
    """What one location handles in one way; `sourcing`: why this location."""

    id: UUID
    location_id: int
    method: FulfillmentMethod
    lines: tuple[InitialFulfillmentLine, ...]
    sourcing: Mapping[str, Any] | None = None

    @property
    def status(self) -> FulfillmentStatus:
        """Carried out is handed over at once; the rest begins as a promise."""
        carried = self.method is FulfillmentMethod.CARRY_OUT
        return FulfillmentStatus.HANDED_OVER if carried else FulfillmentStatus.ALLOCATED


def create(session: Session, *, order_id: UUID, fulfillments: Sequence[InitialFulfillment]) -> None:
    """Have the fulfillments of a new order written."""
    rows = [
        {"id": p.id, "location_id": p.location_id, "method": p.method, "status": p.status, "sourcing": p.sourcing}
        for p in fulfillments
    ]
    units: Counter[tuple[UUID, UUID]] = Counter()
    for fulfillment in fulfillments:
        for line in fulfillment.lines:
            units[fulfillment.id, line.order_line_id] += line.quantity
    session.defer(
        "INSERT INTO fulfillment (id, order_id, location_id, method, status, sourcing, ready_by) "
        "SELECT p.id, $1, location_id, method, status, sourcing, CASE WHEN method = 'PICKUP' THEN ("
        "SELECT now() + make_interval(mins => pickup_ready_minutes::int) FROM location l "
        "WHERE l.id = p.location_id) END FROM json_to_recordset($2::json) "
        "AS p(id uuid, location_id bigint, method text, status text, sourcing jsonb)",
        order_id,
        msgspec.json.encode(rows).decode(),
    )
    session.defer(
        "INSERT INTO fulfillment_line (fulfillment_id, order_line_id, quantity) "
        "SELECT f, l, q FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS u(f, l, q)",
        [fulfillment_id for fulfillment_id, _ in units],
        [order_line_id for _, order_line_id in units],
        list(units.values()),
    )


async def create_handed_over(session: Session, parcels: Sequence[tuple[UUID, InitialFulfillment]]) -> None:
    """Write parcels of many orders, by order, as they begin."""
    await session.insert(_PARCELS, [(p.id, order_id, p.location_id, p.method, p.status) for order_id, p in parcels])
    await session.insert(_LINES, [(p.id, line.order_line_id, line.quantity) for _, p in parcels for line in p.lines])


_PARCELS = Insert(
    "fulfillment",
    (("id", "uuid"), ("order_id", "uuid"), ("location_id", "bigint"), ("method", "text"), ("status", "text")),
)
_LINES = Insert("fulfillment_line", (("fulfillment_id", "uuid"), ("order_line_id", "uuid"), ("quantity", "bigint")))


def stock_movements(parcels: Sequence[InitialFulfillment], *, held: Sequence[HeldUnits] = ()) -> list[Movement]:
    """What the parcels do to stock: goods carried out leave the shelf, the others are committed.

    `held`: what is still reserved for them, a hold for each line, and is taken out of there. A line whose hold has
    ended needs units that are available.
    """
    kept = Counter((hold.variant_id, hold.location_id, hold.quantity) for hold in held)
    found = []
    for parcel in parcels:
        for line in parcel.lines:
            hold = (line.variant_id, parcel.location_id, line.quantity)
            found.append(_movement(parcel, line, held=kept[hold] > 0))
            kept[hold] -= 1
    return found


def _movement(parcel: InitialFulfillment, line: InitialFulfillmentLine, *, held: bool) -> Movement:
    carried = parcel.method is FulfillmentMethod.CARRY_OUT
    units = line.quantity
    return Movement(
        variant_id=line.variant_id,
        location_id=parcel.location_id,
        reason=StockReason.SALE if carried else StockReason.COMMIT,
        quantity=units,
        on_hand=-units if carried else 0,
        committed=0 if carried else units,
        reserved=-units if held else 0,
        need=0 if carried or held else units,
        till_need=units if carried and not held else 0,
    )
