"""Shares: what units of an order cost, to the minor unit, after discounts and with their tax. Pure.

Of a line's gross, the first n units of q cost floor(gross * n / q): whoever gives units back one by one is paid exactly
what all of them cost. What was charged for shipping belongs to the last unit of the order.
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
    """A line that was bought; `gone`: its units that are settled already. `total_minor`: after discounts."""

    id: UUID
    quantity: int
    gone: int
    total_minor: int
    rate: Decimal


@dataclass(frozen=True, slots=True)
class RateTotals:
    """Net and tax that the order has of a rate."""

    rate: Decimal
    taxable_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class ProratedTax:
    """What units cost of a rate: gross, and the tax inside it, in minor units."""

    rate: Decimal
    gross_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class Proration:
    """What units cost, in minor units: each line's, all together with shipping, and by rate."""

    lines: Mapping[UUID, int]
    total_minor: int
    parts: Sequence[ProratedTax]


SHIPPING = UUID(int=0)
"""Stands for what was charged for shipping, beside the ids of lines."""


def prorate(
    lines: Sequence[ProrationLine],
    rates: Sequence[RateTotals],
    *,
    shipping_minor: int,
    prices_include_tax: bool,
    units: Mapping[UUID, int],
) -> Proration:
    """What these further units of lines cost. They are at most what is left of each line."""
    gross = _gross(lines, rates, shipping_minor, prices_include_tax)
    before = {line.id: line.gone for line in lines}
    after = {line.id: line.gone + units.get(line.id, 0) for line in lines}
    was, is_ = _cost(lines, gross, before), _cost(lines, gross, after)
    costs = {key: is_[key] - was[key] for key in is_ if key in units or key == SHIPPING}
    return Proration(costs, sum(costs.values()), _parts(lines, rates, gross, was, is_))


def _gross(
    lines: Sequence[ProrationLine], rates: Sequence[RateTotals], shipping_minor: int, included: bool
) -> dict[UUID, int]:
    """What each line cost with its tax, and shipping: of each rate they add up to the order's gross of it."""
    if included or not rates:
        return {line.id: line.total_minor for line in lines} | {SHIPPING: shipping_minor}
    found, shipped = {}, shipping_minor
    for rate in rates:
        weights = {line.id: line.total_minor for line in lines if line.rate == rate.rate}
        if shipped and (rest := rate.taxable_minor - sum(weights.values())) > 0:
            weights[SHIPPING], shipped = rest, 0
        found.update(distribute(rate.taxable_minor + rate.tax_minor, weights))
    return {line.id: 0 for line in lines} | {SHIPPING: 0} | found


def distribute(amount: int, weights: Mapping[UUID, int]) -> dict[UUID, int]:
    """An amount over weights, to the minor unit: what is left over goes to the largest remainders, first come first."""
    whole = sum(weights.values())
    if not whole:
        return dict.fromkeys(weights, 0)
    shares = {key: amount * weight // whole for key, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda key: -(amount * weights[key] % whole))
    for key in by_remainder[: amount - sum(shares.values())]:
        shares[key] += 1
    return shares


def _cost(lines: Sequence[ProrationLine], gross: Mapping[UUID, int], gone: Mapping[UUID, int]) -> dict[UUID, int]:
    """What all units that are gone cost."""
    costs = {line.id: gross[line.id] * gone[line.id] // line.quantity for line in lines}
    everything = all(gone[line.id] == line.quantity for line in lines)
    return costs | {SHIPPING: gross[SHIPPING] if everything else 0}


def _parts(
    lines: Sequence[ProrationLine],
    rates: Sequence[RateTotals],
    gross: Mapping[UUID, int],
    was: Mapping[UUID, int],
    is_: Mapping[UUID, int],
) -> list[ProratedTax]:
    """By rate; tax is that of all units that are gone, less that of those that were before."""
    rate_of: dict[UUID, Decimal] = {line.id: line.rate for line in lines}
    for rate in rates:
        of_lines = sum(gross[line.id] for line in lines if line.rate == rate.rate)
        if SHIPPING not in rate_of and rate.taxable_minor + rate.tax_minor != of_lines:
            rate_of[SHIPPING] = rate.rate
    sums_before, sums_after = Counter[Decimal](), Counter[Decimal]()
    for key, rate_key in rate_of.items():
        sums_before[rate_key] += was[key]
        sums_after[rate_key] += is_[key]
    found = []
    for rate in rates:
        before, after = sums_before[rate.rate], sums_after[rate.rate]
        if after != before:
            tax = _tax(rate, after) - _tax(rate, before)
            found.append(ProratedTax(rate.rate, after - before, tax))
    return found


def _tax(rate: RateTotals, gross_minor: int) -> int:
    whole = rate.taxable_minor + rate.tax_minor
    return divide(rate.tax_minor * gross_minor, whole, Rounding.HALF_UP) if whole else 0
