"""Columns: what a table that is exported holds, in the words that its readers see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import Any

from uriba.core import money
from uriba.core.ids import global_id
from uriba.db import Row

CellValue = str | int | bool | Decimal | datetime | None
CellRow = Sequence[CellValue]
"""A row as it is exported, in the order of its columns."""


class ColumnType(Enum):
    """What a column's values are; each form writes each kind in one way."""

    TEXT = auto()
    INTEGER = auto()
    BOOLEAN = auto()
    AMOUNT = auto()
    RATE = auto()
    MOMENT = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and how its value is found in a row that was read."""

    name: str
    kind: ColumnType
    value: Callable[[Row], CellValue]


def text(name: str) -> Column:
    return Column(name, ColumnType.TEXT, _read(name))


def integer(name: str) -> Column:
    return Column(name, ColumnType.INTEGER, _read(name))


def boolean(name: str) -> Column:
    return Column(name, ColumnType.BOOLEAN, _read(name))


def moment(name: str) -> Column:
    """A time, in UTC."""
    return Column(name, ColumnType.MOMENT, _read(name))


def amount(name: str, minor: str) -> Column:
    """An amount in major units of the row's `currency`."""
    return Column(name, ColumnType.AMOUNT, lambda row: Decimal(money.to_decimal(row[minor], row["currency"])))


def rate(name: str) -> Column:
    return Column(name, ColumnType.RATE, lambda row: _plain(row[name]))


def identifier(name: str, kind: str, *keys: str) -> Column:
    """An id as the API and the event feed say it; empty where its key is."""

    def value(row: Row) -> str | None:
        found = [row[key] for key in keys]
        return None if None in found else global_id(kind, ":".join(map(str, found)))

    return Column(name, ColumnType.TEXT, value)


def cell_rows(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[CellRow]:
    values = [column.value for column in columns]
    return [[value(row) for value in values] for row in rows]


def _read(name: str) -> Callable[[Row], CellValue]:
    return lambda row: row[name]


@lru_cache(maxsize=256)
def _plain(stored: Decimal) -> Decimal:
    """0.080000 is 0.08."""
    return Decimal(format(stored.normalize(), "f"))
