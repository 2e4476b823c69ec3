"""Proration of random orders: in whatever parts units are returned, gross and tax add up to the order's totals."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.random_cases import random_cases
from uriba.core.money import Rounding, format_rate
from uriba.orders.proration import ProrationLine, RateTotals, distribute, prorate
from uriba.pricing.basket_items import BasketItem, ItemTraits
from uriba.pricing.discounts import Effect
from uriba.pricing.promotions import Promotion, PromotionCandidate, PromotionCandidates
from uriba.pricing.quote import PricingTerms, quote

ORDERS = random_cases(1_000)
CASES = Counter[str]()
RATES = {"standard": Fraction(10, 100), "reduced": Fraction(8, 100), "free": Fraction(0), "odd": Fraction(8875, 10**5)}
NOW = datetime(2026, 4, 1, tzinfo=UTC)
EFFECTS = (
    Effect.PERCENT_OFF_ITEMS,
    Effect.AMOUNT_OFF_ITEMS,
    Effect.PERCENT_OFF_ORDER,
    Effect.AMOUNT_OFF_ORDER,
    Effect.BUY_X_GET_Y,
    Effect.FREE_SHIPPING,
)

baskets = st.lists(
    st.builds(
        BasketItem,
        st.integers(1, 7),
        st.integers(0, 20_000),
        st.sampled_from(sorted(RATES)),
        st.booleans(),
        st.just(ItemTraits()),
    ),
    min_size=1,
    max_size=5,
)
channels = st.builds(
    PricingTerms, st.just("JPY"), st.booleans(), st.sampled_from(Rounding), st.sampled_from((0, 1, 500)), st.just(RATES)
)


@st.composite
def offers(draw: st.DrawFn) -> PromotionCandidates:
    """Draw up to three promotions of any effect."""
    found = [
        PromotionCandidate(
            promotion=Promotion(
                id=n,
                code=f"P{n}",
                name=f"Promotion {n}",
                effect=draw(st.sampled_from(EFFECTS)),
                percent=draw(st.sampled_from((333, 1_000, 5_000, 10_000))),
                amount_minor=draw(st.integers(1, 5_000)),
                buy_units=draw(st.integers(1, 3)),
                get_units=draw(st.integers(1, 2)),
                min_minor=draw(st.sampled_from((0, 500, 10_000))),
            )
        )
        for n in range(draw(st.integers(0, 3)))
    ]
    return PromotionCandidates(found, 1, NOW)


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[ProrationLine], list[RateTotals], int, bool, int]:
    """Draw the lines, rates, shipping, whether prices include tax, and the total of a cart, as checkout computes them."""
    basket, terms = draw(baskets), draw(channels)
    priced = quote(basket, terms, draw(offers()))
    discounts = priced.discounts or (0,) * len(basket)
    lines = [
        ProrationLine(
            UUID(int=n), item.quantity, 0, item.amount_minor - off, Decimal(format_rate(terms.rate(item.tax_class)))
        )
        for n, (item, off) in enumerate(zip(basket, discounts, strict=True), 1)
    ]
    rates = [RateTotals(Decimal(format_rate(t.rate)), t.taxable_minor, t.tax_minor) for t in priced.tax_lines]
    CASES["discounted"] += priced.discount_minor > 0
    return lines, rates, priced.shipping_minor, terms.prices_include_tax, priced.total_minor


def settled_lines(lines: list[ProrationLine], units: Counter[UUID]) -> list[ProrationLine]:
    return [ProrationLine(line.id, line.quantity, units[line.id], line.total_minor, line.rate) for line in lines]


@settings(max_examples=ORDERS, deadline=None)
@given(orders(), st.randoms(use_true_random=False))
def test_prorations_of_all_parts_add_up_to_the_totals(
    order: tuple[list[ProrationLine], list[RateTotals], int, bool, int], chance: random.Random
) -> None:
    lines, rates, shipping, included, total = order
    terms = {"shipping_minor": shipping, "prices_include_tax": included}
    left = Counter({line.id: line.quantity for line in lines})
    settled = Counter[UUID]()
    refunded, gross, tax = 0, Counter[Decimal](), Counter[Decimal]()
    while +left:
        line_id = chance.choice(sorted(+left))
        units = {line_id: chance.randint(1, left[line_id])}

        part = prorate(settled_lines(lines, settled), rates, units=units, **terms)

        assert part.total_minor >= 0
        assert sum(p.gross_minor for p in part.taxes) == part.total_minor
        assert all(p.tax_minor >= 0 for p in part.taxes)
        refunded += part.total_minor
        for p in part.taxes:
            gross[p.rate] += p.gross_minor
            tax[p.rate] += p.tax_minor
        settled.update(units)
        left.subtract(units)
        CASES["parts"] += 1
    CASES["orders"] += 1

    assert refunded == total
    assert {r.rate: gross[r.rate] for r in rates} == {r.rate: r.taxable_minor + r.tax_minor for r in rates}
    assert {r.rate: tax[r.rate] for r in rates} == {r.rate: r.tax_minor for r in rates}


def test_enough_random_orders_were_tried(capsys: pytest.CaptureFixture[str]) -> None:
    assert CASES["orders"] >= ORDERS and CASES["discounted"] >= ORDERS // 10
    with capsys.disabled():
        print(
            f"\npartial returns: {CASES['orders']} carts ({CASES['discounted']} with discounts) in {CASES['parts']} parts"
        )


def test_units_returned_one_by_one_are_refunded_the_price_of_all() -> None:
    line = ProrationLine(uuid4(), 3, 0, 1_000, Decimal("0.08"))
    rates = [RateTotals(Decimal("0.08"), 926, 74)]
    prices = [
        prorate(
            [ProrationLine(line.id, 3, n, 1_000, line.rate)],
            rates,
            shipping_minor=0,
            prices_include_tax=True,
            units={line.id: 1},
        ).total_minor
        for n in range(3)
    ]

    assert prices == [333, 333, 334]


def test_left_over_minor_units_go_to_the_largest_remainders() -> None:
    keys = [UUID(int=n) for n in range(1, 4)]

    assert list(distribute(100, dict(zip(keys, (1, 1, 1), strict=True))).values()) == [34, 33, 33]
    assert list(distribute(100, dict(zip(keys, (5, 3, 1), strict=True))).values()) == [56, 33, 11]
    assert list(distribute(100, dict.fromkeys(keys, 0)).values()) == [0, 0, 0]
