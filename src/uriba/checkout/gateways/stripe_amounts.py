"""Stripe's way to write amounts: whole numbers whose decimals are its own table's, not CLDR's.

Source: docs.stripe.com/currencies (zero-decimal and three-decimal currencies, special cases). Pure.
"""

from __future__ import annotations

from uriba.core import money
from uriba.core.money import Rounding

_WITHOUT = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)
_THREE = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
_WHOLE = frozenset(["ISK", "UGX"])
"""Have no decimals, but are written with two, always 00."""


def decimals(currency: str) -> int:
    """How many decimals Stripe writes the currency with."""
    if currency in _WITHOUT:
        return 0
    return 3 if currency in _THREE else 2


def units(amount_minor: int, currency: str) -> int:
    """The hub's minor units as Stripe writes them: 1280 JPY is 1280, 5 ISK is 500.

    Stripe takes three decimals to the nearest ten only: 5.124 KWD is 5120.
    """
    step = 10 if currency in _THREE else 100 if currency in _WHOLE else 1
    scaled = amount_minor * 10 ** decimals(currency)
    return money.divide(scaled, step * 10 ** money.exponent(currency), Rounding.HALF_UP) * step


def movement(amount_minor: int, before_minor: int, currency: str) -> int:
    """A part of an amount, `before_minor` of which has moved: parts, however rounded, add up to the whole."""
    return units(before_minor + amount_minor, currency) - units(before_minor, currency)
