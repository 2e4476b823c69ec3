"""Proration: the price of units of an order, to the minor unit, after discounts and with their tax. Pure.

Of a line's gross, the first n of q units cost floor(gross * n / q), so units that are returned one by one are refunded
exactly what all of them cost. What was charged for shipping belongs to the last unit of the order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from uriba.core.money import Rounding, divide


@dataclass(frozen=True, slots=True)
class ProrationLine:
    """A line of an order. `settled`: its units that were prorated before. `total_minor`: after discounts."""

    id: UUID
    quantity: int
    settled: int
    total_minor: int
    rate: Decimal


@dataclass(frozen=True, slots=True)
class RateTotals:
    """An order's net and tax of one rate, in minor units."""

    rate: Decimal
    taxable_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class ProratedTax:
    """The gross of prorated units of one rate and the tax within it, in minor units."""

    rate: Decimal
    gross_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class Proration:
    """The price of units in minor units: by line, in total with shipping, and by tax rate."""

    lines: Mapping[UUID, int]
    total_minor: int
    taxes: Sequence[ProratedTax]


SHIPPING = UUID(int=0)
"""The key of the shipping charge beside the ids of lines."""


def prorate(
    lines: Sequence[ProrationLine],
    rates: Sequence[RateTotals],
    *,
    shipping_minor: int,
    prices_include_tax: bool,
    units: Mapping[UUID, int],
) -> Proration:
    """Return the price of these further units by line. There are no more of them than are left of each line."""
    gross = _gross(lines, rates, shipping_minor, prices_include_tax)
    settled = {line.id: line.settled for line in lines}
    settled_after = {line.id: line.settled + units.get(line.id, 0) for line in lines}
    before, after = _cumulative_price(lines, gross, settled), _cumulative_price(lines, gross, settled_after)
    prices = {key: after[key] - before[key] for key in after if key in units or key == SHIPPING}
    return Proration(prices, sum(prices.values()), _taxes(lines, rates, gross, before, after))


def _gross(
    lines: Sequence[ProrationLine], rates: Sequence[RateTotals], shipping_minor: int, prices_include_tax: bool
) -> dict[UUID, int]:
    """Return the gross of each line and of shipping. By rate they add up to the order's gross of that rate."""
    if prices_include_tax or not rates:
        return {line.id: line.total_minor for line in lines} | {SHIPPING: shipping_minor}
    gross, shipping_left = {}, shipping_minor
    for rate in rates:
        weights = {line.id: line.total_minor for line in lines if line.rate == rate.rate}
        if shipping_left and (rest := rate.taxable_minor - sum(weights.values())) > 0:
            weights[SHIPPING], shipping_left = rest, 0
        gross.update(distribute(rate.taxable_minor + rate.tax_minor, weights))
    return {line.id: 0 for line in lines} | {SHIPPING: 0} | gross


def distribute(amount: int, weights: Mapping[UUID, int]) -> dict[UUID, int]:
    """Distribute an amount over weights, to the minor unit.

    Minor units that are left over go to the largest remainders; of equal ones, to the first.
    """
    total_weight = sum(weights.values())
    if not total_weight:
        return dict.fromkeys(weights, 0)
    amounts = {key: amount * weight // total_weight for key, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda key: -(amount * weights[key] % total_weight))
    for key in by_remainder[: amount - sum(amounts.values())]:
        amounts[key] += 1
    return amounts


def _cumulative_price(
    lines: Sequence[ProrationLine], gross: Mapping[UUID, int], settled: Mapping[UUID, int]
) -> dict[UUID, int]:
    """Return the price of all settled units, by line and of shipping."""
    prices = {line.id: gross[line.id] * settled[line.id] // line.quantity for line in lines}
    complete = all(settled[line.id] == line.quantity for line in lines)
    return prices | {SHIPPING: gross[SHIPPING] if complete else 0}


def _taxes(
    lines: Sequence[ProrationLine],
    rates: Sequence[RateTotals],
    gross: Mapping[UUID, int],
    before: Mapping[UUID, int],
    after: Mapping[UUID, int],
) -> list[ProratedTax]:
    """Return gross and tax by rate: the tax of all settled units, less the tax of those that were settled before."""
    rate_of: dict[UUID, Decimal] = {line.id: line.rate for line in lines}
    for totals in rates:
        gross_of_lines = sum(gross[line.id] for line in lines if line.rate == totals.rate)
        if SHIPPING not in rate_of and totals.taxable_minor + totals.tax_minor != gross_of_lines:
            rate_of[SHIPPING] = totals.rate
    gross_before, gross_after = Counter[Decimal](), Counter[Decimal]()
    for key, rate in rate_of.items():
        gross_before[rate] += before[key]
        gross_after[rate] += after[key]
    taxes = []
    for totals in rates:
        from_minor, to_minor = gross_before[totals.rate], gross_after[totals.rate]
        if to_minor != from_minor:
            tax = _tax(totals, to_minor) - _tax(totals, from_minor)
            taxes.append(ProratedTax(totals.rate, to_minor - from_minor, tax))
    return taxes


def _tax(totals: RateTotals, gross_minor: int) -> int:
    whole = totals.taxable_minor + totals.tax_minor
    return divide(totals.tax_minor * gross_minor, whole, Rounding.HALF_UP) if whole else 0
