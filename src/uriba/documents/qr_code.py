"""The order number as a QR code for tills to scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import segno

QUIET_ZONE = 4
"""The white modules around a code, as required by ISO/IEC 18004."""


class Bar(NamedTuple):
    """Adjacent dark modules in a row. Positions count from the top left, including the quiet zone."""

    x: int
    y: int
    length: int


class QrCode(NamedTuple):
    """A code of `size` by `size` modules, including the quiet zone."""

    size: int
    bars: tuple[Bar, ...]


def qr_code(text: str) -> QrCode:
    """Return the code of exactly this text."""
    rows = [list(map(bool, row)) for row in segno.make_qr(text, error="m").matrix]
    return QrCode(len(rows) + 2 * QUIET_ZONE, tuple(bar for y, row in enumerate(rows) for bar in _bars(row, y)))


def _bars(row: list[bool], y: int) -> Iterator[Bar]:
    start = None
    for x, dark in enumerate([*row, False]):
        if dark and start is None:
            start = x
        elif not dark and start is not None:
            yield Bar(start + QUIET_ZONE, y + QUIET_ZONE, x - start)
            start = None
