"""Tax, rounded once for each rate of an order, never for each line.

Source of the rule: Japan's qualified invoice system (適格請求書等保存方式) allows one rounding per rate and invoice;
rounding each line gives sums that differ from the invoice by some yen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from uriba.core.money import Rounding, divide


@dataclass(frozen=True, slots=True)
class TaxLine:
    """Net amount and tax of one rate, in minor units. Their sum is the gross amount of that rate."""

    rate: Fraction
    taxable_minor: int
    tax_minor: int


def tax_per_rate(amounts: Iterable[tuple[Fraction, int]], *, included: bool, rounding: Rounding) -> tuple[TaxLine, ...]:
    """Return the tax lines of (rate, amount) pairs, the highest rate first. `included`: the amounts include tax."""
    # Sums of integers, because every read of a cart prices it and fractions are slow.
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
    numerator, denominator = rate.as_integer_ratio()
    if included:
        tax = divide(amount * numerator, denominator + numerator, rounding)
        return TaxLine(rate, amount - tax, tax)
    return TaxLine(rate, amount, divide(amount * numerator, denominator, rounding))
