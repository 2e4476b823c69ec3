"""Tax: once per rate and order, never per line.

Source of the rule: Japan's qualified invoice system (適格請求書等保存方式) allows one rounding per rate and invoice;
rounding each line gives sums that differ from the invoice by some yen. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from uriba.core.money import Rounding, divided


@dataclass(frozen=True, slots=True)
class TaxLine:
    """Of one rate: net and tax in minor units. Their sum is the gross of that rate."""

    rate: Fraction
    taxable_minor: int
    tax_minor: int


def per_rate(amounts: Iterable[tuple[Fraction, int]], *, included: bool, rounding: Rounding) -> tuple[TaxLine, ...]:
    """Tax of (rate, amount) pairs, by falling rate; `included`: the amounts hold their tax already."""
    # Whole numbers, not fractions: a cart is priced at every look at it.
    sums: dict[tuple[int, int], int] = {}
    rates: dict[tuple[int, int], Fraction] = {}
    for rate, amount in amounts:
        ratio = rate.as_integer_ratio()
        rates[ratio] = rate
        sums[ratio] = sums.get(ratio, 0) + amount
    lines = [_line(rates[ratio], amount, included=included, rounding=rounding) for ratio, amount in sums.items()]
    lines.sort(key=lambda line: line.rate, reverse=True)
    return tuple(lines)


def _line(rate: Fraction, amount: int, *, included: bool, rounding: Rounding) -> TaxLine:
    share, whole = rate.as_integer_ratio()
    if included:
        tax = divided(amount * share, whole + share, rounding)
        return TaxLine(rate, amount - tax, tax)
    return TaxLine(rate, amount, divided(amount * share, whole, rounding))
