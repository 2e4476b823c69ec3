"""The book of an order: what was bought, where each unit is, and what units cost. Read under the order's lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import msgspec

from uriba.cart.models import FulfillmentMethod
from uriba.core.actor import Actor, Role
from uriba.core.errors import NotFound
from uriba.db import Row, Session
from uriba.fulfillment.lifecycle.transitions import DEPARTED
from uriba.fulfillment.models import PROMISED, FulfillmentStatus
from uriba.orders import proration
from uriba.orders.proration import Proration

CANCELLABLE = (FulfillmentStatus.BACKORDERED, *PROMISED)
"""The goods are still here, or were never there."""


class OrderLineSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the order; amounts in minor units, `total_minor` after discounts."""

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
    """Units of a line in a fulfillment."""

    fulfillment_id: UUID
    line_id: UUID
    quantity: int
    status: FulfillmentStatus
    method: FulfillmentMethod
    location_id: int


class Tax(msgspec.Struct, frozen=True, kw_only=True):
    """Net and tax of a rate."""

    rate: Decimal
    taxable_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class OrderSnapshot:
    """An order, locked."""

    order: Row
    lines: Sequence[OrderLineSnapshot]
    pieces: Sequence[FulfillmentPart]
    taxes: Sequence[Tax]

    def line(self, line_id: UUID) -> OrderLineSnapshot | None:
        return next((line for line in self.lines if line.id == line_id), None)

    def units(self, line_id: UUID, states: Iterable[FulfillmentStatus]) -> int:
        """How many units of a line are in fulfillments in these states."""
        wanted = frozenset(states)
        return sum(p.quantity for p in self.pieces if p.line_id == line_id and p.status in wanted)

    def refund(self, units: Mapping[UUID, int]) -> Proration:
        """What these units cost, that were neither returned nor cancelled until now."""
        return self._share(units, {line.id: line.returned + line.cancelled for line in self.lines})

    def still_to_leave(self, leaving: Mapping[UUID, int]) -> int:
        """What units cost, in minor units, that are here when these have left, with what was charged for shipping."""
        gone = {
            line.id: self.units(line.id, DEPARTED) + line.cancelled + leaving.get(line.id, 0) for line in self.lines
        }
        return self._share({line.id: line.quantity - gone[line.id] for line in self.lines}, gone).total_minor

    def _share(self, units: Mapping[UUID, int], gone: Mapping[UUID, int]) -> Proration:
        return proration.prorate(
            [proration.ProrationLine(l.id, l.quantity, gone[l.id], l.total_minor, l.rate) for l in self.lines],  # noqa: E741
            [proration.RateTotals(t.rate, t.taxable_minor, t.tax_minor) for t in self.taxes],
            shipping_minor=self.order["shipping_minor"],
            prices_include_tax=self.order["prices_include_tax"],
            units=units,
        )


async def lock(session: Session, order_id: UUID, *, actor: Actor, path: str, own_place: bool = True) -> OrderSnapshot:
    """Lock an order and read its book. `own_place`: a terminal reaches only orders that its location has a part in.

    Errors: `NotFound` with the path.
    """
    order = await session.fetchrow("SELECT * FROM orders WHERE id = $1 FOR UPDATE", order_id)
    if order is None or not (actor.works_here or order["customer_id"] == actor.customer_id is not None):
        raise NotFound("There is no such order.", path)
    found = await session.fetchrow(_BOOK, order_id)
    assert found is not None
    book = OrderSnapshot(
        order,
        msgspec.convert(found["lines"] or [], list[OrderLineSnapshot], strict=False),
        msgspec.convert(found["pieces"] or [], list[FulfillmentPart], strict=False),
        msgspec.convert(found["taxes"] or [], list[Tax], strict=False),
    )
    if own_place and actor.role is Role.TERMINAL and not _has_part(book, actor.location_id):
        raise NotFound("There is no such order.", path)
    return book


def _has_part(book: OrderSnapshot, location_id: int | None) -> bool:
    return location_id in (book.order["location_id"], *(piece.location_id for piece in book.pieces))


# Rates as text: a float would not be the rate.
_BOOK = """
    SELECT (
        SELECT json_agg(json_build_object('id', id, 'variant_id', variant_id, 'sku', sku, 'name', name,
            'quantity', quantity, 'returned', returned_quantity, 'cancelled', cancelled_quantity,
            'total_minor', total_minor, 'rate', tax_rate::text) ORDER BY position)
        FROM order_line WHERE order_id = $1
    ) AS lines, (
        SELECT json_agg(json_build_object('fulfillment_id', f.id, 'line_id', fl.order_line_id, 'quantity', fl.quantity,
            'status', f.status, 'method', f.method, 'location_id', f.location_id) ORDER BY f.id, fl.order_line_id)
        FROM fulfillment f JOIN fulfillment_line fl ON fl.fulfillment_id = f.id WHERE f.order_id = $1
    ) AS pieces, (
        SELECT json_agg(json_build_object('rate', rate::text, 'taxable_minor', taxable_minor, 'tax_minor', tax_minor)
            ORDER BY rate DESC)
        FROM order_tax_line WHERE order_id = $1
    ) AS taxes
"""
