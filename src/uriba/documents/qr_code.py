"""The order's number as a QR code, for tills to scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import segno

QUIET_ZONE = 4
"""Modules of white around a code, as ISO/IEC 18004 asks."""


class Bar(NamedTuple):
    """Dark modules beside each other in a row; positions count from the top left, quiet zone included."""

    x: int
    y: int
    length: int


class QrCode(NamedTuple):
    """A code of `size` modules each way, quiet zone included."""

    size: int
    bars: tuple[Bar, ...]


def qr_code(text: str) -> QrCode:
    """The code of a number; a scanner reads exactly this text."""
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
