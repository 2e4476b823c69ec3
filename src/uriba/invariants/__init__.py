"""The invariants of the hub, as SQL queries that return no rows.

`uriba check` runs them all, and so do the tests after every scenario. All run in one snapshot, at any time and under
load.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from uriba.db import Database
from uriba.invariants import events, money, orders, stock
from uriba.invariants.invariant import Finding, Invariant

__all__ = ["INVARIANTS", "Finding", "Invariant", "check"]

INVARIANTS = (*stock.INVARIANTS, *orders.INVARIANTS, *money.INVARIANTS, *events.INVARIANTS)
EXAMPLES_MAX = 5


async def check(database: Database, *, on_each: Callable[[Finding], None] = lambda _: None) -> list[Finding]:
    """Check all invariants in one snapshot; `on_each` receives each finding as soon as it is known."""
    findings = []
    async with database.snapshot(statement_timeout=False) as session:
        for invariant in INVARIANTS:
            began = time.perf_counter()
            rows = await session.fetch(invariant.query)
            examples = [dict(row) for row in rows[:EXAMPLES_MAX]]
            findings.append(Finding(invariant, len(rows), examples, time.perf_counter() - began))
            on_each(findings[-1])
    return findings
