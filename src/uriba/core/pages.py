"""Keyset pagination: a cursor is the key of the last row, so rows added meanwhile do not move a page."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from uriba.core.errors import Invalid

PAGE_SIZE_MAX = 100

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows with their cursors. `more`: whether other rows follow; `begun`: whether rows precede."""

    rows: Sequence[Row]
    cursors: Sequence[str]
    more: bool
    begun: bool


def check_first(first: int) -> int:
    """Return the size of a page. Errors: `Invalid`."""
    if not 0 <= first <= PAGE_SIZE_MAX:
        raise Invalid(f"Give a number from 0 to {PAGE_SIZE_MAX}.", "first")
    return first


def cursor(key: object) -> str:
    """Return the cursor of a key."""
    return urlsafe_b64encode(str(key).encode()).decode()


def after_key(after: str | None) -> str | None:
    """Return the key of a cursor. Errors: `Invalid`."""
    if after is None:
        return None
    try:
        return urlsafe_b64decode(after.encode("ascii")).decode("ascii")
    except (Base64Error, ValueError):
        raise Invalid("This is not a cursor of this list.", "after") from None


def after_number(after: str | None) -> int | None:
    """Return the number of a cursor. Errors: `Invalid`."""
    key = after_key(after)
    if key is None:
        return None
    if not key.isdigit() or len(key) > 18:
        raise Invalid("This is not a cursor of this list.", "after")
    return int(key)


def after_uuid(after: str | None) -> UUID | None:
    """Return the UUID of a cursor; None for the first page. Errors: `Invalid`."""
    key = after_key(after)
    try:
        return None if key is None else UUID(key)
    except ValueError:
        raise Invalid("This is not a cursor of this list.", "after") from None


def page(rows: Sequence[Row], *, first: int, after: str | None, key: Callable[[Row], object]) -> Page[Row]:
    """Return a page of rows that were read with a limit of `first` + 1."""
    own = rows[:first]
    return Page(own, [cursor(key(row)) for row in own], more=len(rows) > first, begun=after is not None)
