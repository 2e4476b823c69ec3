"""Random carts, promotions, rates and rounding: discounts add up, and no amount is negative."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.random_cases import random_cases
from uriba.core.money import Rounding, divide
from uriba.pricing.basket_items import BasketItem, ItemTraits
from uriba.pricing.discounts import Effect
from uriba.pricing.promotions import (
    Coupon,
    Promotion,
    PromotionCandidate,
    PromotionCandidates,
    Reason,
    Stacking,
)
from uriba.pricing.quote import PricingTerms, Quote, quote

CASES = random_cases(1_000)
NOW = datetime(2026, 4, 1, tzinfo=UTC)
RATES = {"standard": Fraction(10, 100), "reduced": Fraction(8, 100), "free": Fraction(0), "odd": Fraction(8875, 10**5)}
PLACES = (*[None] * 5, frozenset({1}), frozenset({1, 2}), frozenset({2}))
WORDS = (None, "Tea", "Kitchen")
seen: Counter[str] = Counter()

items = st.lists(
    st.builds(
        BasketItem,
        st.one_of(st.integers(1, 9), st.integers(1, 100_000)),
        st.one_of(st.integers(0, 20), st.integers(0, 10**6)),
        st.sampled_from(sorted(RATES)),
        st.booleans(),
        st.builds(
            ItemTraits,
            st.sampled_from(WORDS),
            st.sampled_from(WORDS),
            st.frozensets(st.integers(0, 7), max_size=3),
            st.frozensets(st.integers(0, 7), max_size=3),
        ),
    ),
    min_size=1,
    max_size=8,
)
channel_terms = st.builds(
    PricingTerms, st.just("JPY"), st.booleans(), st.sampled_from(Rounding), st.integers(0, 5_000), st.just(RATES)
)
words = st.frozensets(st.sampled_from(WORDS[1:]), max_size=1)
begins = st.sampled_from((*[None] * 8, NOW - timedelta(1), NOW, NOW + timedelta(1)))
ends = st.sampled_from((*[None] * 8, NOW + timedelta(1), NOW))


@st.composite
def promotions(draw: st.DrawFn, n: int) -> Promotion:
    stacking = draw(st.sampled_from((Stacking.STACKABLE, Stacking.STACKABLE, *Stacking)))
    return Promotion(
        id=n,
        code=f"P{n}",
        name=f"Promotion {n}",
        effect=draw(st.sampled_from(Effect)),
        percent=draw(st.sampled_from((1, 333, 1_000, 3_333, 5_000, 9_999, 10_000))),
        amount_minor=draw(st.one_of(st.integers(1, 50), st.integers(1, 10**7))),
        currency=draw(st.sampled_from((*[None] * 4, *["JPY"] * 4, "USD"))),
        buy_units=draw(st.integers(1, 4)),
        get_units=draw(st.integers(1, 3)),
        categories=draw(words),
        brands=draw(words),
        names_variants=draw(st.booleans()),
        reward_categories=draw(words),
        reward_names_variants=draw(st.booleans()),
        min_minor=draw(st.sampled_from((0, 0, 500, 10_000))),
        min_units=draw(st.sampled_from((0, 0, 2, 50))),
        max_minor=draw(st.one_of(st.none(), st.integers(1, 2_000))),
        max_units=draw(st.one_of(st.none(), st.integers(1, 20))),
        channel_ids=draw(st.sampled_from(PLACES)),
        valid_from=draw(begins),
        valid_to=draw(ends),
        priority=draw(st.integers(-1, 1)),
        stacking=stacking,
        stacking_group=draw(st.sampled_from("ab")) if stacking is Stacking.EXCLUSIVE_IN_GROUP else None,
        needs_coupon=draw(st.integers(0, 9)) == 0,
        active=draw(st.integers(0, 9)) > 0,
    )


@st.composite
def offers(draw: st.DrawFn) -> list[PromotionCandidate]:
    found = []
    for n in range(draw(st.integers(1, 6))):
        promotion = draw(promotions(n))
        used_up = st.integers(0, 9).map(lambda one: one == 0)
        for c in range(draw(st.sampled_from((0, 0, 1, 2)))):
            coupon = Coupon(id=10 * n + c, code=f"C{n}{c}", used_up=draw(used_up), needs_customer=draw(used_up))
            found.append(PromotionCandidate(promotion=promotion, coupon=coupon))
        if not promotion.needs_coupon or draw(st.booleans()):
            found.append(PromotionCandidate(promotion=promotion))
    return draw(st.permutations(found))


@pytest.fixture(scope="module", autouse=True)
def _count() -> Iterator[None]:
    yield
    print(
        f"\npromotions: {seen.pop('cases')} cases; verdicts: { {str(reason): n for reason, n in seen.most_common()} }"
    )


def _lines_add_up(basket: list[BasketItem], found: Quote) -> None:
    assert len(found.discounts) == len(basket)
    assert all(0 <= off <= item.amount_minor for off, item in zip(found.discounts, basket, strict=True))
    assert found.discount_minor == sum(found.discounts) == sum(verdict.amount_minor for verdict in found.promotions)
    assert found.subtotal_minor == sum(item.amount_minor for item in basket)


def _shipping_adds_up(basket: list[BasketItem], terms: PricingTerms, found: Quote) -> None:
    charged = terms.shipping_minor if any(item.ships for item in basket) else 0
    assert found.shipping_minor == charged - sum(verdict.shipping_minor for verdict in found.promotions) >= 0


def _taxes_add_up(basket: list[BasketItem], terms: PricingTerms, found: Quote) -> None:
    """Check that each rate's tax is computed on the amount paid at that rate, rounded once, and adds up to the total."""
    paid: Counter[Fraction] = Counter()
    for item, off in zip(basket, found.discounts, strict=True):
        paid[RATES[item.tax_class]] += item.amount_minor - off
    paid[RATES["standard"]] += found.shipping_minor
    for line in found.tax_lines:
        share, whole = line.rate.as_integer_ratio()
        if terms.prices_include_tax:
            assert line.taxable_minor + line.tax_minor == paid[line.rate]
            whole += share
        else:
            assert line.taxable_minor == paid[line.rate]
        assert line.tax_minor == divide(paid[line.rate] * share, whole, terms.rounding)
    assert sum(line.taxable_minor + line.tax_minor for line in found.tax_lines) == found.total_minor >= 0


def _verdicts_are_allowed(found: Quote) -> None:
    applied = found.applied
    assert all(v.amount_minor + v.shipping_minor > 0 for v in applied)
    assert all(v.amount_minor == v.shipping_minor == 0 and v.sentence for v in found.refused)
    assert len({v.promotion.id for v in applied}) == len(applied)
    if any(v.promotion.stacking is Stacking.EXCLUSIVE for v in applied):
        assert len(applied) == 1
    groups = [v.promotion.stacking_group for v in applied if v.promotion.stacking_group]
    assert len(set(groups)) == len(groups)
    for v in applied:
        p = v.promotion
        assert p.active and (not p.needs_coupon or v.coupon is not None)
        assert (p.valid_from or NOW) <= NOW and (p.valid_to is None or p.valid_to > NOW)
        assert p.max_minor is None or v.amount_minor + v.shipping_minor <= p.max_minor
    for v in found.refused:
        assert (v.excluded_by is not None) == (v.reason is Reason.EXCLUDED_BY)


@given(items, channel_terms, offers(), st.randoms(use_true_random=False))
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
def test_discounts_add_up(
    basket: list[BasketItem], terms: PricingTerms, offered: list[PromotionCandidate], random: object
) -> None:
    found = quote(basket, terms, PromotionCandidates(offered, 1, NOW))

    if offered:
        _lines_add_up(basket, found)
        _shipping_adds_up(basket, terms, found)
        _taxes_add_up(basket, terms, found)
        _verdicts_are_allowed(found)
    assert len(found.promotions) == len(offered)
    shuffled = [*offered]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert quote(basket, terms, PromotionCandidates(shuffled, 1, NOW)) == found
    seen["cases"] += 1
    seen.update(verdict.reason for verdict in found.promotions)


@given(items, channel_terms)
@settings(max_examples=100, deadline=None)
def test_without_promotions_there_is_no_discount(basket: list[BasketItem], terms: PricingTerms) -> None:
    found = quote(basket, terms)

    assert (found.discount_minor, found.discounts, found.promotions) == (0, (), ())
    assert quote(basket, terms, PromotionCandidates((), 1, NOW)) == found
