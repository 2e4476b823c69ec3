"""Money: minor units inside, decimal strings outside."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uriba.core import money
from uriba.core.errors import Invalid
from uriba.core.money import AMOUNT_MINOR_MAX, Money, Rounding

MINOR = st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)
CURRENCY = st.sampled_from(["JPY", "KRW", "USD", "EUR", "KWD", "BHD"])


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("1280", "JPY", 1_280),
        ("0", "JPY", 0),
        ("19.99", "USD", 1_999),
        ("19.9", "USD", 1_990),
        ("19", "USD", 1_900),
        ("-0.05", "USD", -5),
        ("1.234", "KWD", 1_234),
        ("0.001", "KWD", 1),
        ("1", "KWD", 1_000),
    ],
)
def test_an_amount_is_counted_in_the_currencys_own_minor_units(amount: str, currency: str, minor: int) -> None:
    assert money.to_minor(amount, currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("100.5", "JPY"),
        ("100.0", "JPY"),
        ("1.999", "USD"),
        ("1.2345", "KWD"),
        ("1e3", "JPY"),
        ("1,080", "JPY"),
        ("01", "JPY"),
        (" 1", "JPY"),
        ("1 ", "JPY"),
        ("+1", "JPY"),
        ("--1", "JPY"),
        (".5", "USD"),
        ("5.", "USD"),
        ("", "JPY"),
        ("NaN", "JPY"),
        ("Infinity", "USD"),
        ("１２８０", "JPY"),
        ("٣", "JPY"),
        ("1\n", "JPY"),
        ("1_000", "JPY"),
        ("0x10", "JPY"),
        ("9" * 16, "JPY"),
        ("9" * 18, "USD"),
        ("9" * 5_000, "JPY"),
    ],
)
def test_refuses_amounts_that_are_no_plain_decimal_of_the_currency(amount: str, currency: str) -> None:
    with pytest.raises(Invalid) as refused:
        money.to_minor(amount, currency, "amount")

    assert refused.value.problems[0].path == ("amount",)


@given(MINOR, CURRENCY)
def test_amounts_survive_a_round_trip(minor: int, currency: str) -> None:
    written = money.to_decimal(minor, currency)

    assert money.to_minor(written, currency) == minor
    assert Decimal(written) == Decimal(minor).scaleb(-money.exponent(currency))
    assert len(written.partition(".")[2]) == money.exponent(currency)


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [(0, "USD", "0.00"), (5, "USD", "0.05"), (-5, "USD", "-0.05"), (1_280, "JPY", "1280"), (1, "KWD", "0.001")],
)
def test_an_amount_is_written_at_the_currencys_scale(minor: int, currency: str, amount: str) -> None:
    assert Money(minor, currency).amount == amount


@pytest.mark.parametrize("currency", ["", "jpy", "YEN", "XXXX", "JP", "J\x00Y"])
def test_refuses_unknown_currencies(currency: str) -> None:
    with pytest.raises(Invalid):
        money.check_currency(currency)


def test_halves_round_away_from_zero() -> None:
    halves = {n: money.divide(n, 2, Rounding.HALF_UP) for n in (-5, -3, -1, 1, 3, 5)}

    assert halves == {-5: -3, -3: -2, -1: -1, 1: 1, 3: 2, 5: 3}


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6), st.sampled_from(Rounding))
def test_rounding_is_that_of_decimal_arithmetic(numerator: int, denominator: int, mode: Rounding) -> None:
    decimals = {Rounding.HALF_UP: ROUND_HALF_UP, Rounding.FLOOR: ROUND_FLOOR, Rounding.CEIL: ROUND_CEILING}
    with localcontext(prec=60):
        quotient = Decimal(numerator) / denominator

    assert money.divide(numerator, denominator, mode) == quotient.to_integral_value(decimals[mode])


@pytest.mark.parametrize(("given_rate", "rate"), [("0.10", "0.1"), ("0", "0"), ("1", "1"), ("0.081500", "0.0815")])
def test_a_rate_is_written_without_trailing_zeros(given_rate: str, rate: str) -> None:
    assert money.to_rate(given_rate) == rate


@pytest.mark.parametrize("rate", ["-0.1", "1.1", "8%", "0.1234567", "", "1e-1"])
def test_refuses_rates_outside_zero_to_one(rate: str) -> None:
    with pytest.raises(Invalid):
        money.to_rate(rate)


@given(st.integers(0, 10**6))
def test_every_rate_of_six_decimals_is_kept_exactly(millionths: int) -> None:
    rate = Fraction(millionths, 10**6)

    assert Fraction(money.format_rate(rate)) == rate
