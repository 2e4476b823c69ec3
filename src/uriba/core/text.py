"""Text that comes from outside: bounded, and without control characters."""

from __future__ import annotations

import re

from uriba.core.errors import Invalid

TEXT_SIZE_MAX = 200
LONG_TEXT_SIZE_MAX = 5_000
CODE_SIZE_MAX = 64

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Controls other than tab and line feed, and half surrogates: PostgreSQL cannot hold some, no shop means any."""


def has_control(value: str) -> bool:
    return CONTROL.search(value) is not None


def text(value: str, *path: str | int, size_max: int = TEXT_SIZE_MAX) -> str:
    """The trimmed text, or `Invalid` where it is empty, too long or holds a control character."""
    trimmed = value.strip()
    if not trimmed:
        raise Invalid("This must not be empty.", *path)
    if len(trimmed) > size_max:
        raise Invalid(f"This may have at most {size_max} characters.", *path)
    if has_control(trimmed):
        raise Invalid("This holds a control character.", *path)
    return trimmed


def optional_text(value: str | None, *path: str | int, size_max: int = TEXT_SIZE_MAX) -> str | None:
    """As `text`; nothing and blank are None."""
    return text(value, *path, size_max=size_max) if value and value.strip() else None


def code(value: str, *path: str | int) -> str:
    """A natural key: a channel's or location's code, a SKU, a handle, a barcode."""
    return text(value, *path, size_max=CODE_SIZE_MAX)
