"""Registration numbers of Japan's qualified invoice system: T and 13 digits.

A company's number is its corporate number, which has a check digit. A sole trader has another number, for which no
check digit is published. So a wrong check digit is reported to the retailer, and nothing is refused because of it.

Sources: the National Tax Agency's page on registration numbers (invoice-kohyo.nta.go.jp/about-toroku) for their format;
Ministry of Finance ordinance 70 of 2014, article 2, for the check digit of corporate numbers, as in its checkdigit.pdf.
"""

from __future__ import annotations

import re
from datetime import date

QUALIFIED_INVOICES_SINCE = date(2023, 10, 1)
"""The first day of the qualified invoice system, in Japan."""

_FORMAT = re.compile(r"T[0-9]{13}", re.ASCII)
_WIDE_CHARACTERS = str.maketrans("TＴ０１２３４５６７８９", "TT0123456789")


def normalize(number: str | None) -> str | None:
    """Return the number as it is printed, "T7000012050002", or None if it is not one.

    Spaces, hyphens, wide digits and lower case are corrected.
    """
    written = re.sub(r"[\s-]", "", (number or "").translate(_WIDE_CHARACTERS)).upper()
    return written if _FORMAT.fullmatch(written) else None


def has_corporate_check_digit(number: str) -> bool:
    """Whether the first digit of a normalized number is the check digit of the others, as in all corporate numbers."""
    first, *base = (int(digit) for digit in number[1:])
    weighted = sum(digit * (1 if n % 2 else 2) for n, digit in enumerate(reversed(base), 1))
    return first == 9 - weighted % 9


def warnings(number: str | None) -> tuple[str, ...]:
    """Return warnings for the retailer about a number, in sentences."""
    if not number:
        return ()
    normalized = normalize(number)
    if normalized is None:
        return ("The issuer's registration number is not T and 13 digits, so this is a plain receipt.",)
    if not has_corporate_check_digit(normalized):
        return (
            "The check digit of the issuer's registration number is not that of a corporate number. Check the number.",
        )
    return ()
