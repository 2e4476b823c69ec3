"""Checks of text from outside: its length, and no control characters."""

from __future__ import annotations

import re

from uriba.core.errors import Invalid

TEXT_SIZE_MAX = 200
LONG_TEXT_SIZE_MAX = 5_000
CODE_SIZE_MAX = 64

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters other than tab and line feed, and lone surrogates, some of which PostgreSQL cannot store."""


def has_control(value: str) -> bool:
    """Return whether a text contains a control character."""
    return CONTROL.search(value) is not None


def text(value: str, *path: str | int, size_max: int = TEXT_SIZE_MAX) -> str:
    """Return the trimmed text. Errors: `Invalid` if it is empty, too long or holds a control character."""
    trimmed = value.strip()
    if not trimmed:
        raise Invalid("This must not be empty.", *path)
    if len(trimmed) > size_max:
        raise Invalid(f"This may have at most {size_max} characters.", *path)
    if has_control(trimmed):
        raise Invalid("This contains a control character.", *path)
    return trimmed


def optional_text(value: str | None, *path: str | int, size_max: int = TEXT_SIZE_MAX) -> str | None:
    """Return the trimmed text, as `text` does; None for an absent or blank one."""
    return text(value, *path, size_max=size_max) if value and value.strip() else None


def code(value: str, *path: str | int) -> str:
    """Return a natural key, such as the code of a channel or location, a SKU, a handle or a barcode."""
    return text(value, *path, size_max=CODE_SIZE_MAX)
