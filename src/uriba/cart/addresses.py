"""Postal addresses that goods are shipped to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from babel import Locale

from uriba.core import text
from uriba.core.errors import Invalid


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; `country` is an ISO 3166-1 alpha-2 code."""

    name: str
    line1: str
    city: str
    postal_code: str
    country: str
    line2: str | None = None
    region: str | None = None
    phone: str | None = None


@cache
def _countries() -> frozenset[str]:
    return frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2 and code.isalpha())


def checked(address: Address) -> dict[str, str | None]:
    """Return the address as it is stored.

    Errors: `Invalid` for empty or too long parts and unknown countries.
    """
    country = text.text(address.country, "address", "country").upper()
    if country not in _countries():
        raise Invalid("Give the country as its two-letter ISO code, such as JP.", "address", "country")
    return {
        "name": text.text(address.name, "address", "name"),
        "line1": text.text(address.line1, "address", "line1"),
        "line2": text.optional_text(address.line2, "address", "line2"),
        "city": text.text(address.city, "address", "city"),
        "region": text.optional_text(address.region, "address", "region"),
        "postalCode": text.text(address.postal_code, "address", "postalCode"),
        "country": country,
        "phone": text.optional_text(address.phone, "address", "phone"),
    }
