"""Quotes: what a basket costs in a channel. Pure, and the same for cart, checkout and till."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from uriba.catalog.models import SHIPPING_TAX_CLASS
from uriba.core.money import Rounding
from uriba.pricing.basket_items import Item
from uriba.pricing.promotions import Offers, Outcome, Verdict, apply
from uriba.pricing.tax import TaxLine, per_rate


@dataclass(frozen=True, slots=True)
class Terms:
    """How a channel counts: its currency, rates by tax class, and its flat price of shipping (minor units)."""

    currency: str
    prices_include_tax: bool
    rounding: Rounding
    shipping_minor: int
    rates: Mapping[str, Fraction]

    def knows(self, tax_class: str) -> bool:
        """A channel without rates is free of tax; one with rates must have one for each class it sells."""
        return not self.rates or tax_class in self.rates

    def rate(self, tax_class: str) -> Fraction:
        return self.rates.get(tax_class, Fraction(0))


@dataclass(frozen=True, slots=True)
class Quote:
    """All amounts in minor units. total = subtotal - discount + shipping, plus tax where prices exclude it.

    `discounts` are by item, empty where nothing is offered; `shipping_minor` is what is charged, after its discount.
    """

    subtotal_minor: int
    discount_minor: int
    shipping_minor: int
    tax_minor: int
    total_minor: int
    tax_lines: tuple[TaxLine, ...]
    discounts: tuple[int, ...] = ()
    promotions: tuple[Verdict, ...] = ()

    @property
    def applied(self) -> list[Verdict]:
        """The promotions that took something off, in the order in which they did."""
        return [verdict for verdict in self.promotions if verdict.applied]

    @property
    def refused(self) -> list[Verdict]:
        return [verdict for verdict in self.promotions if not verdict.applied]


NOTHING = Outcome((), 0, ())


def quote(items: Sequence[Item], terms: Terms, promotions: Offers | None = None) -> Quote:
    """Price the items; shipping is charged once where anything ships."""
    shipping = terms.shipping_minor if any(item.ships for item in items) else 0
    off = NOTHING
    if promotions is not None and promotions.offers:
        off = apply(items, promotions, currency=terms.currency, shipping_minor=shipping)
    shipping -= off.shipping_minor
    amounts = [(terms.rate(item.tax_class), item.quantity * item.unit_minor) for item in items]
    subtotal, discount = sum(amount for _, amount in amounts), sum(off.discounts)
    if discount:
        amounts = [(rate, amount - less) for (rate, amount), less in zip(amounts, off.discounts, strict=True)]
    if shipping:
        amounts.append((terms.rate(SHIPPING_TAX_CLASS), shipping))
    lines = per_rate(amounts, included=terms.prices_include_tax, rounding=terms.rounding)
    tax = sum(line.tax_minor for line in lines)
    total = subtotal - discount + shipping + (0 if terms.prices_include_tax else tax)
    return Quote(subtotal, discount, shipping, tax, total, lines, off.discounts, off.verdicts)


@lru_cache(maxsize=1_024)
def terms_of(
    currency: str,
    prices_include_tax: bool,
    rounding: str,
    shipping_minor: int,
    rates: tuple[tuple[str, str], ...],
) -> Terms:
    """Terms from a channel's row; the same settings are the same object."""
    by_class = {tax_class: Fraction(rate) for tax_class, rate in rates}
    return Terms(currency, prices_include_tax, Rounding(rounding), shipping_minor, by_class)


__all__ = ["Item", "Quote", "Terms", "quote", "terms_of"]
