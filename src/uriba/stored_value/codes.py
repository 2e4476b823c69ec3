"""Codes of gift cards: random, readable aloud, and kept as a digest only. Pure."""

from __future__ import annotations

from hashlib import sha256
from secrets import choice

from uriba.core.errors import Invalid

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's Base32 (https://www.crockford.com/base32.html): no I, L, O and U."""

CODE_SIZE = 20
"""100 random bits: 80 are left to guess for who has seen the last four characters."""

GROUP_SIZE = 4
GIVEN_SIZE_MIN = 16
GIVEN_SIZE_MAX = 40

_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None})


def new() -> str:
    """A code to print, in groups: "7KQM-0X4T-…"."""
    plain = "".join(choice(ALPHABET) for _ in range(CODE_SIZE))
    return "-".join(plain[at : at + GROUP_SIZE] for at in range(0, CODE_SIZE, GROUP_SIZE))


def plain(code: str) -> str:
    """As it is digested: case, blanks and hyphens do not matter, I and L are 1, O is 0."""
    return "".join(code.upper().split()).translate(_READ_AS)


def digest(code: str) -> bytes:
    """What is kept. Whatever text is given has one; what is no code has that of no card."""
    return sha256(plain(code).encode("utf-8", "replace")).digest()


def last4(code: str) -> str:
    return plain(code)[-4:]


def check_given(code: str, *path: str | int) -> str:
    """A code that cards were printed with; whoever printed them made them random. Errors: `Invalid`."""
    letters = plain(code)
    if not GIVEN_SIZE_MIN <= len(letters) <= GIVEN_SIZE_MAX or not set(letters) <= set(ALPHABET):
        raise Invalid(f"A code has {GIVEN_SIZE_MIN} to {GIVEN_SIZE_MAX} letters and digits, without U.", *path)
    return code
