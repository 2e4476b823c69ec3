"""The hub's health in numbers, for /metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uriba.db import Session
from uriba.db.statements import statement
from uriba.health import terminal_health
from uriba.health.channel_health import RECEIVES, SCANNED_MAX
from uriba.outbox.relay import LAG_S


@dataclass(frozen=True, slots=True)
class HealthMetrics:
    """Counts, and lags in seconds. `events_waiting`: events without a position in the feed. `endpoints`: by status;
    `alerts`: open ones by kind."""

    events_waiting: int
    feed_lag_s: float
    endpoints: Mapping[str, int]
    endpoint_lag_s: float
    deliveries_pending: int
    events_parked: int
    alerts: Mapping[str, int]
    shortages_open: int
    terminals_silent: int


async def measure(session: Session, *, default_hours: str) -> HealthMetrics:
    """Return all numbers, by two statements."""
    row = await session.fetchrow(_COUNTS, scanned_max=SCANNED_MAX)
    assert row is not None
    silent = await terminal_health.count_silent(session, default_hours=default_hours)
    return HealthMetrics(**row, terminals_silent=silent)


_COUNTS = statement(f"""
    SELECT (SELECT count(*) FROM outbox_event WHERE position IS NULL) AS events_waiting, {LAG_S} AS feed_lag_s,
        (SELECT coalesce(json_object_agg(status, n), '{{}}') FROM (
            SELECT status, count(*) AS n FROM endpoint WHERE deleted_at IS NULL GROUP BY status) s) AS endpoints,
        (SELECT coalesce(max(greatest(0, extract(epoch FROM now() - least(
            (SELECT d.event_at FROM delivery d WHERE d.endpoint_id = p.id AND d.status = 'PENDING'
                ORDER BY d.position LIMIT 1),
            (SELECT e.at FROM outbox_event e WHERE e.position > p.position
                AND e.position <= p.position + :scanned_max AND {RECEIVES} ORDER BY e.position LIMIT 1)
        )))), 0)::float8 FROM endpoint p WHERE p.deleted_at IS NULL) AS endpoint_lag_s,
        (SELECT count(*) FROM delivery WHERE status = 'PENDING') AS deliveries_pending,
        (SELECT count(*) FROM conflict WHERE status = 'OPEN' AND kind IN ('PARKED', 'TAMPERED')) AS events_parked,
        (SELECT coalesce(json_object_agg(kind, n), '{{}}') FROM (
            SELECT kind, count(*) AS n FROM alert WHERE closed_at IS NULL GROUP BY kind) a) AS alerts,
        (SELECT count(*) FROM shortage WHERE settled < quantity) AS shortages_open
""")
