"""A cart with its lines and prices, as queries, mutations and checkout use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uriba.cart.enums import CartStatus, FulfillmentMethod
from uriba.pricing import promotion_candidates
from uriba.pricing.basket_items import NO_TRAITS, ItemTraits
from uriba.pricing.coupons import canonical
from uriba.pricing.promotions import Coupon, PromotionCandidates
from uriba.pricing.quote import BasketItem, PricingTerms, Quote, pricing_terms, quote


@dataclass(frozen=True, slots=True)
class LineView:
    """A line with its variant's row, its present price, and the discount of the whole line, in minor units."""

    id: int
    variant: Mapping[str, Any]
    variant_id: int
    quantity: int
    method: FulfillmentMethod
    chosen: bool
    location_id: int | None
    added_minor: int
    price_minor: int | None
    traits: ItemTraits = NO_TRAITS
    discount_minor: int = 0

    @property
    def unit_minor(self) -> int:
        """The present price; where the variant is not sold any more, the price when it was added."""
        return self.added_minor if self.price_minor is None else self.price_minor

    @property
    def total_minor(self) -> int:
        return self.unit_minor * self.quantity - self.discount_minor

    @property
    def sold(self) -> bool:
        """Whether the variant is still for sale in the cart's channel."""
        return self.price_minor is not None and not self.variant["discontinued"]

    @property
    def key(self) -> tuple[int, FulfillmentMethod, int | None]:
        """Variant, method and location: lines that share them are one line."""
        return self.variant_id, self.method, self.location_id


@dataclass(frozen=True, slots=True)
class CartView:
    """A cart with its lines, priced by the terms of its channel."""

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
    terms: PricingTerms
    capture: str
    rewards: bool
    candidates: PromotionCandidates | None
    lines: Sequence[LineView]
    quote: Quote

    @property
    def coupons(self) -> list[Coupon]:
        """The cart's coupons, by code."""
        held = [offer.coupon for offer in self.candidates.candidates if offer.coupon] if self.candidates else []
        return sorted(held, key=lambda coupon: coupon.code)

    def coupon(self, code: str) -> Coupon | None:
        """Return the cart's coupon with this code, in any spelling of it."""
        wanted = canonical(code)
        return next((coupon for coupon in self.coupons if coupon.code == wanted), None)


def build(head: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> CartView:
    """Build a cart from its row and its lines' rows. The candidates are in the first line's row, else in the cart's."""
    terms = pricing_terms(
        head["currency"],
        head["prices_include_tax"],
        head["tax_rounding"],
        head["shipping_price_minor"],
        _rates(head["rates"]),
    )
    candidates_json = lines[0]["candidates"] if lines else head.get("candidates")
    offered, traits = promotion_candidates.parse_candidates(candidates_json, channel_id=head["priced_in_id"])
    priced, quoted = price([_line(row, traits) for row in lines], terms, offered)
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
        rewards=head["rewards"],
        candidates=offered,
        lines=priced,
        quote=quoted,
    )


def price(
    lines: Sequence[LineView], terms: PricingTerms, offered: PromotionCandidates | None = None
) -> tuple[Sequence[LineView], Quote]:
    """Return the lines with their discounts, and their quote."""
    quoted = quote([_item(line) for line in lines], terms, offered)
    discounts = quoted.discounts or (0,) * len(lines)
    changed = any(line.discount_minor != off for line, off in zip(lines, discounts, strict=True))
    if changed:
        lines = [replace(line, discount_minor=off) for line, off in zip(lines, discounts, strict=True)]
    return lines, quoted


def _item(line: LineView) -> BasketItem:
    ships = line.method is FulfillmentMethod.SHIP
    return BasketItem(line.quantity, line.unit_minor, line.variant["tax_class"], ships, line.traits)


def _rates(pairs: Sequence[tuple[str, str]] | None) -> tuple[tuple[str, str], ...]:
    return tuple((tax_class, rate) for tax_class, rate in pairs or ())


def _line(row: Mapping[str, Any], traits: Mapping[int, ItemTraits]) -> LineView:
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
        traits=traits.get(row["variant_id"], NO_TRAITS),
    )
