"""Whatever comes back, in whatever parts: shares add up to what was paid, gross and tax, to the minor unit."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uriba.core.money import Rounding
from uriba.orders.shares import Line, Rate, share, spread
from uriba.pricing.tax import per_rate

CASES = Counter[str]()
RATES = ("0", "0.08", "0.1", "0.195", "0.25")


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[Line], list[Rate], int, bool, int]:
    """Lines, rates, shipping, whether prices hold their tax, and the total: as checkout makes them."""
    included = draw(st.booleans())
    rounding = draw(st.sampled_from(Rounding))
    shipping = draw(st.sampled_from([0, 1, 500]))
    standard = draw(st.sampled_from(RATES))
    lines = []
    for n in range(1, 1 + draw(st.integers(1, 5))):
        quantity, unit = draw(st.integers(1, 7)), draw(st.integers(0, 20_000))
        discount = draw(st.integers(0, quantity * unit))
        rate = draw(st.sampled_from([standard, *RATES]))
        lines.append(Line(UUID(int=n), quantity, 0, quantity * unit - discount, Decimal(rate)))
    amounts = [(Fraction(line.rate), line.total_minor) for line in lines]
    if shipping:
        amounts.append((Fraction(standard), shipping))
    taxes = per_rate(amounts, included=included, rounding=rounding)
    rates = [Rate(Decimal(str(float(t.rate))), t.taxable_minor, t.tax_minor) for t in taxes]
    return lines, rates, shipping, included, sum(t.taxable_minor + t.tax_minor for t in taxes)


def gone(lines: list[Line], units: Counter[UUID]) -> list[Line]:
    return [Line(line.id, line.quantity, units[line.id], line.total_minor, line.rate) for line in lines]


@settings(max_examples=1_000, deadline=None)
@given(orders(), st.randoms(use_true_random=False))
def test_parts_add_up_to_the_whole(order: tuple[list[Line], list[Rate], int, bool, int], chance: random.Random) -> None:
    lines, rates, shipping, included, total = order
    terms = {"shipping_minor": shipping, "prices_include_tax": included}
    left = Counter({line.id: line.quantity for line in lines})
    settled = Counter[UUID]()
    paid, gross, tax = 0, Counter[Decimal](), Counter[Decimal]()
    while +left:
        line_id = chance.choice(sorted(+left))
        units = {line_id: chance.randint(1, left[line_id])}

        part = share(gone(lines, settled), rates, units=units, **terms)

        assert part.total_minor >= 0
        assert sum(p.gross_minor for p in part.parts) == part.total_minor
        assert all(p.tax_minor >= 0 for p in part.parts)
        paid += part.total_minor
        for p in part.parts:
            gross[p.rate] += p.gross_minor
            tax[p.rate] += p.tax_minor
        settled.update(units)
        left.subtract(units)
        CASES["parts"] += 1
    CASES["orders"] += 1

    assert paid == total
    assert {r.rate: gross[r.rate] for r in rates} == {r.rate: r.taxable_minor + r.tax_minor for r in rates}
    assert {r.rate: tax[r.rate] for r in rates} == {r.rate: r.tax_minor for r in rates}


def test_counts_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert CASES["orders"] >= 1_000
    with capsys.disabled():
        print(f"\npartial returns: {CASES['orders']} orders in {CASES['parts']} parts")


def test_one_by_one_costs_what_all_cost() -> None:
    line = Line(uuid4(), 3, 0, 1_000, Decimal("0.08"))
    rates = [Rate(Decimal("0.08"), 926, 74)]
    costs = [
        share(
            [Line(line.id, 3, n, 1_000, line.rate)],
            rates,
            shipping_minor=0,
            prices_include_tax=True,
            units={line.id: 1},
        ).total_minor
        for n in range(3)
    ]

    assert costs == [333, 333, 334]


def test_what_is_left_over_goes_to_the_largest_remainders() -> None:
    keys = [UUID(int=n) for n in range(1, 4)]

    assert list(spread(100, dict(zip(keys, (1, 1, 1), strict=True))).values()) == [34, 33, 33]
    assert list(spread(100, dict(zip(keys, (5, 3, 1), strict=True))).values()) == [56, 33, 11]
    assert list(spread(100, dict.fromkeys(keys, 0)).values()) == [0, 0, 0]
