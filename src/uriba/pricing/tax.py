"""Tax: once per rate and order, never per line.

Source of the rule: Japan's qualified invoice system (適格請求書等保存方式) allows one rounding per rate and invoice;
rounding each line gives sums that differ from the invoice by some yen. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from uriba.core.money import Rounding, rounded


@dataclass(frozen=True, slots=True)
class TaxLine:
    """Of one rate: net and tax in minor units. Their sum is the gross of that rate."""

    rate: Fraction
    taxable_minor: int
    tax_minor: int


def per_rate(amounts: Iterable[tuple[Fraction, int]], *, included: bool, rounding: Rounding) -> tuple[TaxLine, ...]:
    """Tax of (rate, amount) pairs, by falling rate; `included`: the amounts hold their tax already."""
    sums: dict[Fraction, int] = {}
    for rate, amount in amounts:
        sums[rate] = sums.get(rate, 0) + amount
    return tuple(
        _line(rate, amount, included=included, rounding=rounding) for rate, amount in sorted(sums.items(), reverse=True)
    )


def _line(rate: Fraction, amount: int, *, included: bool, rounding: Rounding) -> TaxLine:
    if included:
        tax = rounded(amount * rate / (1 + rate), rounding)
        return TaxLine(rate, amount - tax, tax)
    return TaxLine(rate, amount, rounded(amount * rate, rounding))
