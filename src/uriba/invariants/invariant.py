"""A sentence that holds, and the query that finds where it does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invariant:
    """`number` is that of the domain's list; the query returns no row."""

    number: int
    name: str
    sql: str
