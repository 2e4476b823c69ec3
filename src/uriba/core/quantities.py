"""Quantities: whole units, never above 100,000 in one number."""

from __future__ import annotations

from uriba.core.errors import InvalidQuantity, LimitExceeded

QUANTITY_MAX = 100_000
ROWS_MAX = 1_000


def quantity(value: int, *path: str | int, least: int = 1) -> int:
    """The quantity, or `InvalidQuantity`."""
    if not least <= value <= QUANTITY_MAX:
        raise InvalidQuantity(f"A quantity is from {least} to {QUANTITY_MAX:,}.", *path)
    return value


def check_rows(count: int, *path: str | int, rows_max: int = ROWS_MAX) -> None:
    """Refuse more rows than one call may carry."""
    if count > rows_max:
        raise LimitExceeded(f"At most {rows_max:,} rows in one call; this has {count:,}.", *path)
