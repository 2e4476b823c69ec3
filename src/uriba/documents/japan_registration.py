"""Registration numbers of Japan's qualified invoice system: T and 13 digits.

Sources: the National Tax Agency's page on registration numbers (invoice-kohyo.nta.go.jp/about-toroku) for their shape;
Ministry of Finance ordinance 70 of 2014, article 2, for the check digit of corporate numbers, as its checkdigit.pdf has
it. A company's number is its corporate number; a sole trader's is another one, of which no check digit is published. So
a wrong check digit is told to the retailer, and refuses nothing.
"""

from __future__ import annotations

import re
from datetime import date

QUALIFIED_INVOICES_SINCE = date(2023, 10, 1)
"""From this day, in Japan, there are qualified invoices."""

_SHAPE = re.compile(r"T[0-9]{13}", re.ASCII)
_WIDE = str.maketrans("TＴ０１２３４５６７８９", "TT0123456789")


def normalize(number: str | None) -> str | None:
    """The number as it is printed, "T7000012050002", or None where it is none; hyphens and wide digits are mended."""
    written = re.sub(r"[\s-]", "", (number or "").translate(_WIDE)).upper()
    return written if _SHAPE.fullmatch(written) else None


def has_corporate_check_digit(number: str) -> bool:
    """Whether the first digit is the check digit of the other twelve, as in every corporate number."""
    first, *base = (int(digit) for digit in number[1:])
    weighted = sum(digit * (1 if n % 2 else 2) for n, digit in enumerate(reversed(base), 1))
    return first == 9 - weighted % 9


def warnings(number: str | None) -> tuple[str, ...]:
    """What the retailer should look at, in sentences."""
    if not number:
        return ()
    written = normalize(number)
    if written is None:
        return ("The issuer's registration number is not T and 13 digits: this is a plain receipt.",)
    if not has_corporate_check_digit(written):
        return ("The check digit of the issuer's registration number is not that of a corporate number.",)
    return ()
