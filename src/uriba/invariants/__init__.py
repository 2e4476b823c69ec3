"""What must always hold, as SQL: each query returns no row. The numbers are those of the domain's list.

Run by `uriba check` and after every scenario of the tests, in one snapshot, at any time, under load.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uriba.db import Database
from uriba.invariants import events, money, orders, stock
from uriba.invariants.invariant import Invariant

INVARIANTS = (*stock.INVARIANTS, *orders.INVARIANTS, *money.INVARIANTS, *events.INVARIANTS)


@dataclass(frozen=True, slots=True)
class Finding:
    """How many rows broke an invariant, some of them, and how long the look took in seconds."""

    invariant: Invariant
    rows: int
    examples: list[dict[str, Any]]
    seconds: float


EXAMPLES = 5


async def check(database: Database, *, on_each: Callable[[Finding], None] = lambda _: None) -> list[Finding]:
    """Look for rows that break an invariant, all in one snapshot."""
    findings = []
    async with database.reading() as session:
        await session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0")
        try:
            for invariant in INVARIANTS:
                began = time.perf_counter()
                rows = await session.fetch(invariant.sql)
                examples = [dict(row) for row in rows[:EXAMPLES]]
                findings.append(Finding(invariant, len(rows), examples, time.perf_counter() - began))
                on_each(findings[-1])
        finally:
            await session.run("ROLLBACK")
    return findings


__all__ = ["INVARIANTS", "Finding", "Invariant", "check"]
