"""Quantities: whole units, at most 100,000 in one number."""

from __future__ import annotations

from uriba.core.errors import InvalidQuantity, LimitExceeded

QUANTITY_MAX = 100_000
ROWS_MAX = 1_000


def quantity(value: int, *path: str | int, least: int = 1) -> int:
    """Return the quantity. Errors: `InvalidQuantity`."""
    if not least <= value <= QUANTITY_MAX:
        raise InvalidQuantity(f"Give a quantity from {least} to {QUANTITY_MAX:,}.", *path)
    return value


def check_rows(count: int, *path: str | int, rows_max: int = ROWS_MAX) -> None:
    """Check the number of rows of one call. Errors: `LimitExceeded`."""
    if count > rows_max:
        raise LimitExceeded(f"One call may have at most {rows_max:,} rows; this one has {count:,}.", *path)
