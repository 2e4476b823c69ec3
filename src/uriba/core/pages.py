"""Keyset pages: a cursor is the last key seen, so that rows added meanwhile move nothing."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from uriba.core.errors import Invalid

PAGE_SIZE_MAX = 100

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows with their cursors; `more` tells whether others follow."""

    rows: Sequence[Row]
    cursors: Sequence[str]
    more: bool
    begun: bool


def check_first(first: int) -> int:
    if not 0 <= first <= PAGE_SIZE_MAX:
        raise Invalid(f"first is from 0 to {PAGE_SIZE_MAX}.", "first")
    return first


def cursor(key: object) -> str:
    return urlsafe_b64encode(str(key).encode()).decode()


def after_key(after: str | None) -> str | None:
    """The key within a cursor, or `Invalid` for one that we never gave."""
    if after is None:
        return None
    try:
        return urlsafe_b64decode(after.encode("ascii")).decode("ascii")
    except (Base64Error, ValueError):
        raise Invalid("This cursor is not one of ours.", "after") from None


def after_number(after: str | None) -> int | None:
    """The bigint within a cursor."""
    key = after_key(after)
    if key is None:
        return None
    if not key.isdigit() or len(key) > 18:
        raise Invalid("This cursor is not one of ours.", "after")
    return int(key)


def page(rows: Sequence[Row], *, first: int, after: str | None, key: Callable[[Row], object]) -> Page[Row]:
    """Cut a page from rows that were read with a limit of first + 1."""
    shown = rows[:first]
    return Page(shown, [cursor(key(row)) for row in shown], more=len(rows) > first, begun=after is not None)
