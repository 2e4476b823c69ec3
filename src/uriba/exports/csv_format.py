"""CSV as specified by RFC 4180: commas, CRLF, quotes where needed; UTF-8; the first row has the names of the columns.

A text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, "CSV Injection"). Numbers are
written unchanged, including negative ones.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uriba.exports.columns import CellRow, Column, ColumnType

FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The first characters of a formula, half and full width, and the characters that spreadsheets skip before one."""


class CsvWriter:
    """Writes an export as CSV, chunk by chunk."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._format = [_FORMATS[column.type] for column in columns]

    def begin(self) -> bytes:
        """Return the header row."""
        return _encode([self._names])

    def add(self, rows: Sequence[CellRow]) -> bytes:
        """Return the rows."""
        return _encode(
            [
                ["" if value is None else write(value) for write, value in zip(self._format, row, strict=True)]
                for row in rows
            ]
        )

    def end(self) -> bytes:
        """Return the end of the file, which CSV does not have."""
        return b""


def escape_formula(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text


def _encode(rows: Sequence[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode()


_FORMATS: Mapping[ColumnType, Callable[[Any], str]] = {
    ColumnType.TEXT: escape_formula,
    ColumnType.INTEGER: str,
    ColumnType.BOOLEAN: lambda value: "true" if value else "false",
    ColumnType.AMOUNT: lambda value: format(value, "f"),
    ColumnType.RATE: lambda value: format(value, "f"),
    ColumnType.TIME: lambda value: value.isoformat(timespec="microseconds"),
}
