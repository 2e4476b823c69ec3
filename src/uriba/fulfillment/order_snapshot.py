"""The snapshot of a locked order: its lines, its fulfillments, and the price of its units."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import msgspec

from uriba.cart.enums import FulfillmentMethod
from uriba.core.actor import Actor, Role
from uriba.core.errors import NotFound
from uriba.db import Session
from uriba.db.statements import statement
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.fulfillment.lifecycle.transitions import DEPARTED
from uriba.orders import locks, proration
from uriba.orders.locks import LockedOrder
from uriba.orders.proration import Proration, ProrationLine, RateTotals
from uriba.orders.queries import LINES_AS_JSON, TAX_LINES_AS_JSON


class OrderLineSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the order. Amounts in minor units; `total_minor` is after discounts."""

    id: UUID
    variant_id: int
    sku: str
    name: str
    quantity: int
    returned: int
    cancelled: int
    total_minor: int
    rate: Decimal


class FulfillmentPart(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one order line in one fulfillment, with the fulfillment's status, method and location."""

    fulfillment_id: UUID
    line_id: UUID
    quantity: int
    status: FulfillmentStatus
    method: FulfillmentMethod
    location_id: int


@dataclass(frozen=True, slots=True)
class OrderSnapshot:
    """A locked order as it is now."""

    order: LockedOrder
    lines: Sequence[OrderLineSnapshot]
    parts: Sequence[FulfillmentPart]
    rates: Sequence[RateTotals]

    def line(self, line_id: UUID | None) -> OrderLineSnapshot | None:
        return next((line for line in self.lines if line.id == line_id), None)

    def variant_ids(self) -> dict[UUID, int]:
        """Return the variant of each line."""
        return {line.id: line.variant_id for line in self.lines}

    def units_in(self, line_id: UUID, statuses: Collection[FulfillmentStatus]) -> int:
        """Return how many units of a line are in fulfillments with one of these statuses."""
        return sum(part.quantity for part in self.parts if part.line_id == line_id and part.status in statuses)

    def completes(self, units: Mapping[UUID, int]) -> bool:
        """Return whether all units of the order are returned or cancelled once these are."""
        return all(l.returned + l.cancelled + units.get(l.id, 0) == l.quantity for l in self.lines)  # noqa: E741

    def price(self, units: Mapping[UUID, int]) -> Proration:
        """Return the price of units by line that are neither returned nor cancelled yet."""
        return self._prorate(units, {line.id: line.returned + line.cancelled for line in self.lines})

    def undeparted_minor(self, departing: Mapping[UUID, int]) -> int:
        """Return the price of the units that have not departed once these have, with shipping; in minor units."""
        settled = {
            line.id: self.units_in(line.id, DEPARTED) + line.cancelled + departing.get(line.id, 0)
            for line in self.lines
        }
        return self._prorate({line.id: line.quantity - settled[line.id] for line in self.lines}, settled).total_minor

    def _prorate(self, units: Mapping[UUID, int], settled: Mapping[UUID, int]) -> Proration:
        return proration.prorate(
            [ProrationLine(l.id, l.quantity, settled[l.id], l.total_minor, l.rate) for l in self.lines],  # noqa: E741
            self.rates,
            shipping_minor=self.order.shipping_minor,
            prices_include_tax=self.order.prices_include_tax,
            units=units,
        )


async def lock(
    session: Session, order_id: UUID, *, actor: Actor, path: str, own_location_only: bool = True
) -> OrderSnapshot:
    """Lock an order and return its snapshot.

    `own_location_only`: a terminal finds only orders in which its location takes part. Errors: `NotFound` at `path`.
    """
    order = await locks.lock(session, order_id)
    if order is None or not (actor.works_here or order.customer_id == actor.customer_id is not None):
        raise NotFound("There is no such order.", path)
    row = await session.fetchrow(_SNAPSHOT, order_id=order_id)
    assert row is not None
    snapshot = OrderSnapshot(
        order,
        msgspec.convert(row["lines"] or [], list[OrderLineSnapshot], strict=False),
        msgspec.convert(row["parts"] or [], list[FulfillmentPart], strict=False),
        msgspec.convert(row["rates"] or [], list[RateTotals], strict=False),
    )
    if own_location_only and actor.role is Role.TERMINAL and not _takes_part(snapshot, actor.location_id):
        raise NotFound("There is no such order.", path)
    return snapshot


def _takes_part(snapshot: OrderSnapshot, location_id: int | None) -> bool:
    return location_id in (snapshot.order.location_id, *(part.location_id for part in snapshot.parts))


_SNAPSHOT = statement(f"""
    SELECT ({LINES_AS_JSON.format(order_id=":order_id")}) AS lines, (
        SELECT json_agg(json_build_object('fulfillment_id', f.id, 'line_id', fl.order_line_id, 'quantity', fl.quantity,
            'status', f.status, 'method', f.method, 'location_id', f.location_id) ORDER BY f.id, fl.order_line_id)
        FROM fulfillment f JOIN fulfillment_line fl ON fl.fulfillment_id = f.id WHERE f.order_id = :order_id
    ) AS parts, ({TAX_LINES_AS_JSON.format(order_id=":order_id")}) AS rates
""")
