"""Amounts in Stripe's units: whole numbers with the decimals of Stripe's own table, not of CLDR.

Source: docs.stripe.com/currencies (zero-decimal and three-decimal currencies, special cases). Pure.
"""

from __future__ import annotations

from uriba.core import money
from uriba.core.money import Rounding

_ZERO_DECIMAL = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)
_THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
_WHOLE_UNITS_ONLY = frozenset(["ISK", "UGX"])
"""Currencies without decimals that Stripe writes with two, always 00."""


def decimals(currency: str) -> int:
    """Return the number of decimals that Stripe uses for the currency."""
    if currency in _ZERO_DECIMAL:
        return 0
    return 3 if currency in _THREE_DECIMAL else 2


def to_stripe_units(amount_minor: int, currency: str) -> int:
    """Convert the hub's minor units to Stripe's: 1280 JPY is 1280, 5 ISK is 500.

    Currencies with three decimals are rounded to the nearest ten, as Stripe requires: 5.124 KWD is 5120.
    """
    step = 10 if currency in _THREE_DECIMAL else 100 if currency in _WHOLE_UNITS_ONLY else 1
    scaled = amount_minor * 10 ** decimals(currency)
    return money.divide(scaled, step * 10 ** money.exponent(currency), Rounding.HALF_UP) * step


def partial_stripe_units(amount_minor: int, before_minor: int, currency: str) -> int:
    """Convert a part of an amount, after parts of `before_minor`. All rounded parts add up to the rounded whole."""
    return to_stripe_units(before_minor + amount_minor, currency) - to_stripe_units(before_minor, currency)
