"""Quotes: the price of a basket in a channel, the same for cart, checkout and till."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from uriba.catalog.enums import SHIPPING_TAX_CLASS
from uriba.core.money import Rounding
from uriba.pricing.basket_items import BasketItem
from uriba.pricing.promotions import PromotionCandidates, PromotionOutcome, PromotionResult, evaluate
from uriba.pricing.tax import TaxLine, tax_per_rate


@dataclass(frozen=True, slots=True)
class PricingTerms:
    """A channel's currency, tax rates by class, rounding and flat shipping price in minor units."""

    currency: str
    prices_include_tax: bool
    rounding: Rounding
    shipping_minor: int
    rates: Mapping[str, Fraction]

    def has_rate(self, tax_class: str) -> bool:
        """Whether items of a class can be sold: the channel is free of tax, or has a rate for the class."""
        return not self.rates or tax_class in self.rates

    def rate(self, tax_class: str) -> Fraction:
        return self.rates.get(tax_class, Fraction(0))


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of a basket in minor units: subtotal - discount + shipping, plus tax where prices exclude it.

    `discounts`: by item, empty without promotions; `shipping_minor`: the charge after its discount.
    """

    subtotal_minor: int
    discount_minor: int
    shipping_minor: int
    tax_minor: int
    total_minor: int
    tax_lines: tuple[TaxLine, ...]
    discounts: tuple[int, ...] = ()
    promotions: tuple[PromotionResult, ...] = ()

    @property
    def applied(self) -> list[PromotionResult]:
        """The promotions that apply, in the order of their application."""
        return [result for result in self.promotions if result.applied]

    @property
    def refused(self) -> list[PromotionResult]:
        return [result for result in self.promotions if not result.applied]


NO_DISCOUNTS = PromotionOutcome((), 0, ())


def quote(items: Sequence[BasketItem], terms: PricingTerms, promotions: PromotionCandidates | None = None) -> Quote:
    """Return the price of items. Shipping is charged once if any item is shipped."""
    shipping = terms.shipping_minor if any(item.ships for item in items) else 0
    discounted = NO_DISCOUNTS
    if promotions is not None and promotions.candidates:
        discounted = evaluate(items, promotions, currency=terms.currency, shipping_minor=shipping)
    shipping -= discounted.shipping_minor
    amounts = [(terms.rate(item.tax_class), item.quantity * item.unit_minor) for item in items]
    subtotal, discount = sum(amount for _, amount in amounts), sum(discounted.discounts)
    if discount:
        amounts = [(rate, amount - less) for (rate, amount), less in zip(amounts, discounted.discounts, strict=True)]
    if shipping:
        amounts.append((terms.rate(SHIPPING_TAX_CLASS), shipping))
    lines = tax_per_rate(amounts, included=terms.prices_include_tax, rounding=terms.rounding)
    tax = sum(line.tax_minor for line in lines)
    total = subtotal - discount + shipping + (0 if terms.prices_include_tax else tax)
    return Quote(subtotal, discount, shipping, tax, total, lines, discounted.discounts, discounted.results)


@lru_cache(maxsize=1_024)
def pricing_terms(
    currency: str,
    prices_include_tax: bool,
    rounding: str,
    shipping_minor: int,
    rates: tuple[tuple[str, str], ...],
) -> PricingTerms:
    """Return the pricing terms of a channel's row. The same settings give the same object."""
    by_class = {tax_class: Fraction(rate) for tax_class, rate in rates}
    return PricingTerms(currency, prices_include_tax, Rounding(rounding), shipping_minor, by_class)


__all__ = ["BasketItem", "PricingTerms", "Quote", "pricing_terms", "quote"]
