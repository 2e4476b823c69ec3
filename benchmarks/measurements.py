"""Measurements: the rates and times of one row of the table, and its target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from benchmarks.ceilings import Ceiling
from benchmarks.load_generator import FAILED, LoadResult
from benchmarks.resource_usage import Usage

GENERATOR_LOAD_MAX = 0.85
"""Share of a core. With more, the load generator itself may limit the rate."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target: its text in the table, and the condition for a measurement."""

    text: str
    is_reached: Callable[[Measurement], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A row of the table: rates per second, times in milliseconds, statements and CPU time per iteration.

    `errors` are wrong answers, `warnings` are reasons to doubt the figures.
    """

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
    remark: str = ""
    errors: Sequence[str] = ()
    warnings: Sequence[str] = ()

    @property
    def ratio(self) -> float:
        return self.per_s / self.ceiling.per_s


def make_measurement(
    name: str,
    title: str,
    target: Target | None,
    result: LoadResult,
    used: Usage,
    ceiling: Ceiling,
    *,
    per_s: float,
    outcome: str,
) -> Measurement:
    """Return the measurement of a row. Latencies are of iterations with this outcome; usage is divided by all."""
    count = max(1, len(result.iterations))
    durations = sorted(each.duration_s for each in result.iterations if each.outcome == outcome)
    load = result.generator_load
    measurement = Measurement(
        name=name,
        title=title,
        per_s=per_s,
        p50_ms=percentile(durations, 0.50) * 1000,
        p95_ms=percentile(durations, 0.95) * 1000,
        p99_ms=percentile(durations, 0.99) * 1000,
        statements=used.statements / count,
        api_cpu_ms=used.api_cpu_s / count * 1000,
        postgres_cpu_ms=used.postgres_cpu_s / count * 1000,
        ceiling=ceiling,
        errors=[f"{result.outcomes[FAILED]} failed: {result.failures[0]}"] if result.failures else [],
        warnings=[f"the load generator used {load:.0%} of a core"] if load > GENERATOR_LOAD_MAX else [],
    )
    if target is None:
        return measurement
    return replace(measurement, target=target.text, reached=target.is_reached(measurement))


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0


READ_TARGET = Target("≥ 1/20 of bare", lambda row: row.ratio >= 1 / 20)
ADD_TARGET = Target("≤ 4 SQL, ≥ 250/s", lambda row: round(row.statements, 1) <= 4 and row.per_s >= 250)
JOURNEY_TARGET = Target("≥ 60/s", lambda row: row.per_s >= 60)
RACE_TARGET = Target("≥ 1/4 of pgbench, no oversale", lambda row: row.ratio >= 1 / 4)
