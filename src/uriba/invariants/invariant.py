"""An invariant and the result of checking it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from uriba.db.statements import Statement


@dataclass(frozen=True, slots=True)
class Invariant:
    """A sentence that must always hold, and a query that returns the rows for which it does not.

    `number` says what it is about: 1 to 5 stock, 6 orders, 7 and 8 money, 9 events, 10 ownership of rows.
    """

    number: int
    name: str
    query: Statement


@dataclass(frozen=True, slots=True)
class Finding:
    """The number of rows that violate an invariant, some of these rows, and the time of the check in seconds."""

    invariant: Invariant
    rows: int
    examples: list[dict[str, Any]]
    seconds: float
