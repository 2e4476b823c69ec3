"""A cart as it is shown and priced: one reading of its rows for queries, mutations and checkout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from uriba.cart.models import CartStatus, FulfillmentMethod
from uriba.pricing.quote import Item, Quote, Terms, quote, terms_of


@dataclass(frozen=True, slots=True)
class LineView:
    """A line with its variant's row and its price now (minor units)."""

    id: int
    variant: Mapping[str, Any]
    variant_id: int
    quantity: int
    method: FulfillmentMethod
    chosen: bool
    location_id: int | None
    added_minor: int
    price_minor: int | None

    @property
    def unit_minor(self) -> int:
        """What is no longer sold keeps the price it had; it cannot be checked out."""
        return self.added_minor if self.price_minor is None else self.price_minor

    @property
    def total_minor(self) -> int:
        return self.unit_minor * self.quantity

    @property
    def sold(self) -> bool:
        """Still for sale in the cart's channel."""
        return self.price_minor is not None and not self.variant["discontinued"]

    @property
    def key(self) -> tuple[int, FulfillmentMethod, int | None]:
        """Lines of one variant, method and location are one line."""
        return self.variant_id, self.method, self.location_id


@dataclass(frozen=True, slots=True)
class CartView:
    """A cart with its lines, priced in the terms of its channel."""

    id: UUID
    status: CartStatus
    version: int
    events: int
    channel_id: int
    priced_in_id: int
    location_id: int | None
    customer_id: UUID | None
    last_changed_by: str | None
    address: Mapping[str, Any] | None
    checkout_id: UUID | None
    updated_at: datetime
    terms: Terms
    capture: str
    lines: Sequence[LineView]
    quote: Quote


def build(head: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> CartView:
    """A cart from rows with the columns of `HEAD` and `LINE`."""
    terms = terms_of(
        head["currency"],
        head["prices_include_tax"],
        head["tax_rounding"],
        head["shipping_price_minor"],
        _rates(head["rates"]),
    )
    shown = [_line(row) for row in lines]
    return CartView(
        id=head["id"],
        status=CartStatus(head["status"]),
        version=head["version"],
        events=head["events"],
        channel_id=head["channel_id"],
        priced_in_id=head["priced_in_id"],
        location_id=head["location_id"],
        customer_id=head["customer_id"],
        last_changed_by=head["last_changed_by"],
        address=head["address"],
        checkout_id=head["checkout_id"],
        updated_at=head["updated_at"],
        terms=terms,
        capture=head["capture"],
        lines=shown,
        quote=price(shown, terms),
    )


def price(lines: Sequence[LineView], terms: Terms) -> Quote:
    """What the lines cost."""
    return quote(
        [
            Item(l.quantity, l.unit_minor, l.variant["tax_class"], l.method is FulfillmentMethod.SHIP)
            for l in lines  # noqa: E741
        ],
        terms,
    )


def _rates(pairs: Sequence[tuple[str, str]] | None) -> tuple[tuple[str, str], ...]:
    return tuple((tax_class, rate) for tax_class, rate in pairs or ())


def _line(row: Mapping[str, Any]) -> LineView:
    return LineView(
        id=row["line_id"],
        variant=row,
        variant_id=row["variant_id"],
        quantity=row["quantity"],
        method=FulfillmentMethod(row["method"]),
        chosen=row["chosen"],
        location_id=row["line_location_id"],
        added_minor=row["added_minor"],
        price_minor=row["price_minor"],
    )
