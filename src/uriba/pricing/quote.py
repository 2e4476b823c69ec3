"""Quotes: what a basket costs in a channel. Pure, and the same for cart, checkout and till."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from uriba.catalog.models import SHIPPING_TAX_CLASS
from uriba.core.money import Rounding
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
class Item:
    """So many units at a price (minor units) in a tax class."""

    quantity: int
    unit_minor: int
    tax_class: str
    ships: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    """All amounts in minor units. total = subtotal - discount + shipping, plus tax where prices exclude it."""

    subtotal_minor: int
    discount_minor: int
    shipping_minor: int
    tax_minor: int
    total_minor: int
    tax_lines: tuple[TaxLine, ...]


def quote(items: Sequence[Item], terms: Terms) -> Quote:
    """Price the items; shipping is charged once where anything ships."""
    shipping = terms.shipping_minor if any(item.ships for item in items) else 0
    amounts = [(terms.rate(item.tax_class), item.quantity * item.unit_minor) for item in items]
    subtotal = sum(amount for _, amount in amounts)
    if shipping:
        amounts.append((terms.rate(SHIPPING_TAX_CLASS), shipping))
    lines = per_rate(amounts, included=terms.prices_include_tax, rounding=terms.rounding)
    tax = sum(line.tax_minor for line in lines)
    total = subtotal + shipping + (0 if terms.prices_include_tax else tax)
    return Quote(subtotal, 0, shipping, tax, total, lines)


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
