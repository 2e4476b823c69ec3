"""Tax: once per rate and order, in the channel's rounding."""

from __future__ import annotations

import random
from fractions import Fraction
from math import ceil, floor

from hypothesis import given
from hypothesis import strategies as st

from uriba.core.money import Rounding
from uriba.pricing.quote import BasketItem, PricingTerms, Quote, pricing_terms, quote
from uriba.pricing.tax import tax_per_rate

RATES = {"standard": Fraction(10, 100), "reduced": Fraction(8, 100), "free": Fraction(0), "odd": Fraction(8875, 10**5)}
ITEMS = st.lists(
    st.builds(BasketItem, st.integers(1, 1_000), st.integers(0, 10**7), st.sampled_from(sorted(RATES)), st.booleans()),
    min_size=1,
    max_size=12,
)
TERMS = st.builds(
    PricingTerms,
    st.just("JPY"),
    st.booleans(),
    st.sampled_from(Rounding),
    st.integers(0, 5_000),
    st.just(RATES),
)


def japan(rounding: Rounding = Rounding.HALF_UP, *, included: bool = True, shipping: int = 0) -> PricingTerms:
    return pricing_terms("JPY", included, rounding, shipping, (("standard", "0.10"), ("reduced", "0.08")))


def taxes(found: Quote) -> dict[str, tuple[int, int]]:
    return {str(line.rate): (line.taxable_minor, line.tax_minor) for line in found.tax_lines}


def test_standard_and_reduced_rates_in_one_order() -> None:
    found = quote([BasketItem(2, 648, "reduced"), BasketItem(1, 3_300, "standard")], japan())

    assert (found.total_minor, found.tax_minor) == (4_596, 396)
    assert taxes(found) == {"1/10": (3_000, 300), "2/25": (1_200, 96)}


def test_two_lines_are_rounded_together() -> None:
    once = quote([BasketItem(1, 13_582, "standard"), BasketItem(1, 13_582, "standard")], japan())
    each = quote([BasketItem(1, 13_582, "standard")], japan())

    assert once.tax_minor == 2_469
    assert 2 * each.tax_minor == 2_470


def test_excluded_tax_is_added_to_the_total() -> None:
    found = quote([BasketItem(3, 999, "standard")], japan(included=False))

    assert (found.subtotal_minor, found.tax_minor, found.total_minor) == (2_997, 300, 3_297)


def test_the_mode_decides_about_half_a_yen() -> None:
    item = BasketItem(1, 5, "standard")

    assert [
        quote([item], japan(mode, included=False)).tax_minor
        for mode in (Rounding.FLOOR, Rounding.HALF_UP, Rounding.CEIL)
    ] == [0, 1, 1]


def test_shipping_is_charged_once_and_taxed_as_standard() -> None:
    found = quote(
        [BasketItem(1, 108, "reduced", ships=True), BasketItem(1, 108, "reduced", ships=True)], japan(shipping=550)
    )

    assert (found.shipping_minor, found.total_minor) == (550, 766)
    assert taxes(found) == {"1/10": (500, 50), "2/25": (200, 16)}


def test_carts_without_shipped_lines_pay_no_shipping() -> None:
    found = quote([BasketItem(1, 108, "reduced")], japan(shipping=550))

    assert (found.shipping_minor, found.total_minor) == (0, 108)


def test_a_channel_without_rates_is_free_of_tax() -> None:
    found = quote([BasketItem(2, 500, "anything")], pricing_terms("USD", False, "HALF_UP", 0, ()))

    assert (found.tax_minor, found.total_minor) == (0, 1_000)


def test_refuses_a_tax_class_without_a_rate() -> None:
    assert japan().has_rate("reduced")
    assert not japan().has_rate("luxury")
    assert pricing_terms("USD", False, "HALF_UP", 0, ()).has_rate("luxury")


@given(ITEMS, TERMS)
def test_taxable_and_tax_of_every_rate_are_its_gross(items: list[BasketItem], terms: PricingTerms) -> None:
    found = quote(items, terms)

    gross: dict[Fraction, int] = {}
    for item in items:
        gross[terms.rate(item.tax_class)] = gross.get(terms.rate(item.tax_class), 0) + item.quantity * item.unit_minor
    if found.shipping_minor:
        gross[RATES["standard"]] = gross.get(RATES["standard"], 0) + found.shipping_minor
    for line in found.tax_lines:
        added = 0 if terms.prices_include_tax else line.tax_minor
        assert line.taxable_minor + line.tax_minor == gross[line.rate] + added
    assert {line.rate for line in found.tax_lines} == set(gross)
    assert found.total_minor == sum(line.taxable_minor + line.tax_minor for line in found.tax_lines)
    assert found.tax_minor == sum(line.tax_minor for line in found.tax_lines)


@given(st.integers(0, 10**12), st.sampled_from(sorted(RATES.values())), st.booleans(), st.sampled_from(Rounding))
def test_tax_is_exact_arithmetic_rounded_once(amount: int, rate: Fraction, included: bool, mode: Rounding) -> None:
    (line,) = tax_per_rate([(rate, amount)], included=included, rounding=mode)

    exact = amount - amount / (1 + rate) if included else amount * rate
    nearest = floor(exact + Fraction(1, 2))
    assert line.tax_minor == {Rounding.FLOOR: floor(exact), Rounding.CEIL: ceil(exact), Rounding.HALF_UP: nearest}[mode]
    assert abs(line.tax_minor - exact) < 1


@given(ITEMS, TERMS, st.randoms(use_true_random=False))
def test_the_order_of_lines_never_matters(items: list[BasketItem], terms: PricingTerms, chance: random.Random) -> None:
    shuffled = chance.sample(items, len(items))

    assert quote(shuffled, terms) == quote(items, terms)


@given(ITEMS, TERMS, st.data())
def test_splitting_a_line_into_two_of_its_price_changes_nothing(
    items: list[BasketItem], terms: PricingTerms, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(items) - 1))
    whole = items[index]
    part = data.draw(st.integers(0, whole.quantity))
    halves = [BasketItem(n, whole.unit_minor, whole.tax_class, whole.ships) for n in (part, whole.quantity - part) if n]

    assert quote([*items[:index], *halves, *items[index + 1 :]], terms) == quote(items, terms)


@given(ITEMS, TERMS)
def test_included_and_excluded_tax_of_the_same_net_are_the_same(items: list[BasketItem], terms: PricingTerms) -> None:
    """Prices that include exactly the tax that would be added give the same tax."""
    outside = PricingTerms(terms.currency, False, Rounding.HALF_UP, 0, RATES)
    inside = PricingTerms(terms.currency, True, Rounding.HALF_UP, 0, RATES)
    # Multiples of the rates' denominator: both ways are whole.
    nets = [BasketItem(item.quantity, item.unit_minor * 10**5, item.tax_class) for item in items]
    grosses = [
        BasketItem(item.quantity, int(item.unit_minor * (1 + RATES[item.tax_class])), item.tax_class) for item in nets
    ]

    assert quote(grosses, inside).tax_lines == quote(nets, outside).tax_lines
    assert quote(grosses, inside).total_minor == quote(nets, outside).total_minor
