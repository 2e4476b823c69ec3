"""Money: whole minor units inside the hub, decimal strings in major units in the API.

The number of decimals of a currency is CLDR's (through Babel): JPY 0, USD 2, KWD 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache

from babel.numbers import format_currency, get_currency_precision, list_currencies

from uriba.core.errors import Invalid

AMOUNT_MINOR_MAX = 10**15
"""Far above any basket and far below a bigint, so that sums of amounts cannot overflow."""

_DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,12}))?", re.ASCII)


class Rounding(StrEnum):
    """How fractions of a minor unit are rounded; a setting of the channel."""

    HALF_UP = "HALF_UP"
    FLOOR = "FLOOR"
    CEIL = "CEIL"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (yen, cents) of a currency (ISO 4217)."""

    minor: int
    currency: str

    @property
    def amount(self) -> str:
        return to_decimal(self.minor, self.currency)

    def __str__(self) -> str:
        return format_currency(self.amount, self.currency, locale="en")


@cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


@cache
def exponent(currency: str) -> int:
    """Return the number of decimals of a currency."""
    return get_currency_precision(currency)


def check_currency(currency: str, *path: str | int) -> str:
    """Return the currency's code. Errors: `Invalid`."""
    if currency not in _currencies():
        raise Invalid("This is not a currency. Give its three-letter ISO 4217 code, such as JPY.", *path)
    return currency


def to_decimal(minor: int, currency: str) -> str:
    """Return an amount in major units: 1999 USD is "19.99", 1280 JPY is "1280"."""
    places = exponent(currency)
    if places == 0:
        return str(minor)
    sign, digits = ("-", str(-minor)) if minor < 0 else ("", str(minor))
    digits = digits.zfill(places + 1)
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def to_minor(amount: str, currency: str, *path: str | int) -> int:
    """Return an amount in minor units: "19.99" USD is 1999.

    Errors: `Invalid` for exponents, separators, digits other than ASCII, and too many decimals.
    """
    match = _DECIMAL.fullmatch(amount)
    if match is None:
        raise Invalid('Write an amount as a plain decimal, such as "1280" or "19.99".', *path)
    sign, whole, fraction = match[1], match[2], match[3] or ""
    places = exponent(currency)
    if len(fraction) > places:
        raise Invalid(f"{currency} has {places or 'no'} decimals: this amount has {len(fraction)}.", *path)
    minor = int(whole + fraction.ljust(places, "0"))
    if minor > AMOUNT_MINOR_MAX:
        raise Invalid("This amount is too large.", *path)
    return -minor if sign else minor


def to_rate(value: str, *path: str | int) -> str:
    """Return a tax rate from 0 to 1 with at most 6 decimals, normalized: "0.10" is "0.1". Errors: `Invalid`."""
    match = _DECIMAL.fullmatch(value)
    if match is None or match[1] or len(match[3] or "") > 6 or not 0 <= Fraction(value) <= 1:
        raise Invalid("A tax rate is a decimal from 0 to 1, such as 0.08.", *path)
    return format_rate(Fraction(value))


def format_rate(rate: Fraction) -> str:
    """Return a rate as a plain decimal without trailing zeros."""
    text = f"{float(rate):.6f}".rstrip("0").rstrip(".")
    return text or "0"


def divide(numerator: int, denominator: int, mode: Rounding) -> int:
    """Return a quotient as a whole number, rounded by the mode. HALF_UP rounds halves away from zero.

    The denominator is above zero.
    """
    match mode:
        case Rounding.FLOOR:
            return numerator // denominator
        case Rounding.CEIL:
            return -(-numerator // denominator)
        case Rounding.HALF_UP:
            up = (2 * abs(numerator) + denominator) // (2 * denominator)
            return up if numerator >= 0 else -up
