"""Typed rows: NamedTuples whose fields are the columns of a statement, in the statement's order.

Making one costs about as much as reading its fields by name from a driver's row, so hot paths may use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from uriba.db.session import Row

R = TypeVar("R", bound=NamedTuple)


def column_list(row_type: type[NamedTuple], table_alias: str) -> str:
    """Return the fields of a row type as columns of a table: `o.id, o.number`."""
    return ", ".join(f"{table_alias}.{name}" for name in row_type._fields)


def typed_row(row_type: type[R], row: Row) -> R:
    """Return a row with the type of its statement. Its columns must be the type's fields."""
    _check_columns(row_type, row)
    return row_type._make(row.values())


def typed_rows(row_type: type[R], rows: Sequence[Row]) -> list[R]:
    """Return rows of one statement with the statement's type. Their columns must be the type's fields."""
    if rows:
        _check_columns(row_type, rows[0])
    return [row_type._make(row.values()) for row in rows]


def _check_columns(row_type: type[NamedTuple], row: Row) -> None:
    assert tuple(row.keys()) == row_type._fields, f"{row_type.__name__} is not a row of {', '.join(row.keys())}"
