"""The columns of exported tables: their names, their types, and how a value is read from a database row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache

from uriba.core import money
from uriba.core.ids import global_id
from uriba.db import Row

CellValue = str | int | bool | Decimal | datetime | None
CellRow = Sequence[CellValue]
"""An exported row, in the order of its table's columns."""


class ColumnType(Enum):
    """The type of a column's values; each format writes a type in one way."""

    TEXT = auto()
    INTEGER = auto()
    BOOLEAN = auto()
    AMOUNT = auto()
    RATE = auto()
    TIME = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and the function that reads its value from a database row."""

    name: str
    type: ColumnType
    read: Callable[[Row], CellValue]


def text(name: str) -> Column:
    return Column(name, ColumnType.TEXT, _read(name))


def integer(name: str) -> Column:
    return Column(name, ColumnType.INTEGER, _read(name))


def boolean(name: str) -> Column:
    return Column(name, ColumnType.BOOLEAN, _read(name))


def time(name: str) -> Column:
    """Return a column of times in UTC."""
    return Column(name, ColumnType.TIME, _read(name))


def amount(name: str, minor: str) -> Column:
    """Return a column of amounts in major units of the row's `currency`; `minor` is the row's field in minor units."""
    return Column(name, ColumnType.AMOUNT, lambda row: Decimal(money.to_decimal(row[minor], row["currency"])))


def rate(name: str) -> Column:
    return Column(name, ColumnType.RATE, lambda row: _without_trailing_zeros(row[name]))


def identifier(name: str, kind: str, *keys: str) -> Column:
    """Return a column of ids as the API and the event feed have them; empty if one of the key fields is null."""

    def read(row: Row) -> str | None:
        values = [row[key] for key in keys]
        return None if None in values else global_id(kind, ":".join(map(str, values)))

    return Column(name, ColumnType.TEXT, read)


def cell_rows(columns: Sequence[Column], rows: Sequence[Row]) -> list[CellRow]:
    """Return the exported rows of database rows."""
    reads = [column.read for column in columns]
    return [[read(row) for read in reads] for row in rows]


def _read(name: str) -> Callable[[Row], CellValue]:
    return lambda row: row[name]


@lru_cache(maxsize=256)
def _without_trailing_zeros(stored: Decimal) -> Decimal:
    """Return 0.08 for 0.080000."""
    return Decimal(format(stored.normalize(), "f"))
