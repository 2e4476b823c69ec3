"""Figures: what was counted and timed, as a row of the table, and what it has to reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from benchmarks.callers import FAILED, Tally
from benchmarks.ceilings import Ceiling
from benchmarks.meters import Reading

LOAD_MAX = 0.85
"""Of a core: a load generator that takes more may be what is measured."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the issue asks for, in its words, and whether a row reaches it."""

    words: str
    reached: Callable[[Measured], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A row of the table: rates per second, times in milliseconds, `statements` and CPU per turn."""

    name: str
    title: str
    per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    statements: float
    api_cpu_ms: float
    postgres_cpu_ms: float
    ceiling: Ceiling
    target: str = ""
    reached: bool | None = None
    said: str = ""
    wrong: Sequence[str] = ()
    doubts: Sequence[str] = ()

    @property
    def ratio(self) -> float:
        return self.per_s / self.ceiling.per_s


def judged(
    name: str,
    title: str,
    target: Target | None,
    tally: Tally,
    spent: Reading,
    ceiling: Ceiling,
    *,
    per_s: float,
    outcome: str,
) -> Measured:
    """The figures of a row. Latencies are of turns with this outcome; what was spent is shared by all turns."""
    count = max(1, len(tally.turns))
    took = sorted(took for had, took, _ in tally.turns if had == outcome)
    found = Measured(
        name=name,
        title=title,
        per_s=per_s,
        p50_ms=percentile(took, 0.50) * 1000,
        p95_ms=percentile(took, 0.95) * 1000,
        p99_ms=percentile(took, 0.99) * 1000,
        statements=spent.statements / count,
        api_cpu_ms=spent.api_cpu_s / count * 1000,
        postgres_cpu_ms=spent.postgres_cpu_s / count * 1000,
        ceiling=ceiling,
        wrong=[f"{tally.outcomes[FAILED]} failed: {tally.failures[0]}"] if tally.failures else [],
        doubts=[f"the load generator took {tally.load:.0%} of a core"] if tally.load > LOAD_MAX else [],
    )
    return found if target is None else replace(found, target=target.words, reached=target.reached(found))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least value that this share of all is not above."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0


TWENTIETH = Target("≥ 1/20 of bare", lambda row: row.ratio >= 1 / 20)
ADDS = Target("≤ 4 SQL, ≥ 250/s", lambda row: round(row.statements, 1) <= 4 and row.per_s >= 250)
JOURNEYS = Target("≥ 60/s", lambda row: row.per_s >= 60)
RACES = Target("≥ 1/4 of pgbench, none too many", lambda row: row.ratio >= 1 / 4)
