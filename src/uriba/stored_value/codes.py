"""Codes of gift cards: random, easy to read aloud, and stored as a digest only. No I/O."""

from __future__ import annotations

from hashlib import sha256
from secrets import choice

from uriba.core.errors import Invalid

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's Base32 (https://www.crockford.com/base32.html): no I, L, O and U."""

CODE_SIZE = 20
"""100 random bits. The last four characters are public (`last4`), so 80 bits remain secret."""

GROUP_SIZE = 4
PRINTED_SIZE_MIN = 16
PRINTED_SIZE_MAX = 40

_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None})


def generate() -> str:
    """Return a new random code, in groups: "7KQM-0X4T-…"."""
    characters = "".join(choice(ALPHABET) for _ in range(CODE_SIZE))
    return "-".join(characters[at : at + GROUP_SIZE] for at in range(0, CODE_SIZE, GROUP_SIZE))


def normalize(code: str) -> str:
    """Return a code in upper case without spaces and hyphens, with I and L read as 1, and O as 0."""
    return "".join(code.upper().split()).translate(_READ_AS)


def digest(code: str) -> bytes:
    """Return the digest that is stored instead of the code. Any text has one; invalid codes match no card's digest."""
    return sha256(normalize(code).encode("utf-8", "replace")).digest()


def last4(code: str) -> str:
    """Return the last four characters of a code, by which people recognize a card."""
    return normalize(code)[-4:]


def check_printed(code: str, *path: str | int) -> str:
    """Return a code that comes with a printed card, after checking its format. The printer is trusted to be random.

    Errors: `Invalid`.
    """
    normalized = normalize(code)
    if not PRINTED_SIZE_MIN <= len(normalized) <= PRINTED_SIZE_MAX or not set(normalized) <= set(ALPHABET):
        sizes = f"{PRINTED_SIZE_MIN} to {PRINTED_SIZE_MAX}"
        raise Invalid(f"A gift card code must have {sizes} letters and digits, without the letter U.", *path)
    return code
