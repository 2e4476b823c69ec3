"""CSV as RFC 4180 has it: commas, CRLF, quotes where they are needed; UTF-8, and a first row with the columns' names.

A text that a spreadsheet would take for a formula has an apostrophe put before it (OWASP, "CSV Injection"). Numbers
stay numbers, also those below zero.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uriba.exports.columns import CellRow, Column, ColumnType

FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a formula begins with, half and full width, and what spreadsheets skip before one."""


class CsvWriter:
    """An export as CSV, piece by piece."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._write = [_WRITTEN[column.kind] for column in columns]

    def begin(self) -> bytes:
        return _lines([self._names])

    def add(self, rows: Sequence[CellRow]) -> bytes:
        return _lines(
            [
                ["" if value is None else write(value) for write, value in zip(self._write, row, strict=True)]
                for row in rows
            ]
        )

    def end(self) -> bytes:
        return b""


def escape_formula(text: str) -> str:
    """A text that no spreadsheet runs."""
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    page = io.StringIO(newline="")
    csv.writer(page, lineterminator="\r\n").writerows(rows)
    return page.getvalue().encode()


_WRITTEN: Mapping[ColumnType, Callable[[Any], str]] = {
    ColumnType.TEXT: escape_formula,
    ColumnType.INTEGER: str,
    ColumnType.BOOLEAN: lambda value: "true" if value else "false",
    ColumnType.AMOUNT: lambda value: format(value, "f"),
    ColumnType.RATE: lambda value: format(value, "f"),
    ColumnType.MOMENT: lambda value: value.isoformat(timespec="microseconds"),
}
