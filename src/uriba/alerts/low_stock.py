"""Low stock: found in the feed as it goes on, by a cursor of its own."""

from __future__ import annotations

from uriba.alerts import alerts
from uriba.alerts.models import AlertKind
from uriba.alerts.rules import Signal, stock_closes, stock_opens
from uriba.db import Row, Session

PIECE = 2_000
"""Positions of the feed that are looked through in one transaction."""


async def watch(session: Session, *, low: int) -> tuple[int, bool]:
    """Look through the next piece of the feed: how many alerts opened and closed, and whether there is more of it.

    One at a time does this; another one waits, and finds what is left.
    """
    place = await session.fetchrow("SELECT c.position FROM alert_cursor c FOR UPDATE")
    assert place is not None
    until = min(place["position"] + PIECE, end := int(await session.fetchval("SELECT position FROM feed")))
    if until <= place["position"]:
        return 0, False
    rows = await session.fetch(_LEVELS, place["position"], until, low)
    await session.run("UPDATE alert_cursor SET position = $1", until)
    opened = [
        row for row in rows if row["alert_id"] is None and stock_opens(row["available"], fell=row["fell"], low=low)
    ]
    closed = [row for row in rows if row["alert_id"] is not None and stock_closes(row["available"], low=low)]
    changed = await alerts.open_all(session, [(_signal(row), float(low)) for row in opened])
    changed += await alerts.close_all(session, [row["alert_id"] for row in closed])
    return changed, until < end


def _signal(row: Row) -> Signal:
    location_id = int(row["subject"].rpartition(":")[2])
    available = float(row["available"])
    return Signal(AlertKind.LOW_STOCK, row["subject"], available, available, location_id=location_id)


_AVAILABLE = """
    (({0}data->>'onHand')::bigint - ({0}data->>'unavailable')::bigint - ({0}data->>'committed')::bigint
        - ({0}data->>'reserved')::bigint - ({0}data->>'safetyStock')::bigint)
"""

# What a level had before the first of its events here: as its last event before says; from the ledger where the feed
# no longer has that one; nothing where there was no level.
_LEVELS = f"""
    WITH told AS MATERIALIZED (
        SELECT subject, version, at, data, {_AVAILABLE.format("")} AS available
        FROM outbox_event WHERE position > $1 AND position <= $2 AND type = 'stock.changed'
    ), stepped AS (
        SELECT t.*, lag(available) OVER oldest AS before, row_number() OVER oldest AS n,
            row_number() OVER (PARTITION BY subject ORDER BY version DESC) AS age
        FROM told t WINDOW oldest AS (PARTITION BY subject ORDER BY version)
    ), known AS (
        SELECT s.subject, s.available, s.age, CASE
            WHEN s.n > 1 THEN s.before
            WHEN s.available <= $3 AND s.version > 1 THEN coalesce((
                SELECT {_AVAILABLE.format("e.")} FROM outbox_event e
                WHERE e.subject = s.subject AND e.version < s.version AND e.type = 'stock.changed'
                ORDER BY e.version DESC LIMIT 1
            ), (
                SELECT sum(m.on_hand_delta - m.unavailable_delta - m.committed_delta - m.reserved_delta)::bigint
                    - (s.data->>'safetyStock')::bigint
                FROM stock_movement m WHERE m.variant_id = split_part(s.subject, ':', 2)::bigint
                    AND m.location_id = split_part(s.subject, ':', 3)::bigint AND m.recorded_at < s.at
            )) END AS before
        FROM stepped s
    ), level AS (
        SELECT subject, coalesce(bool_or(available <= $3 AND before > $3), false) AS fell,
            max(available) FILTER (WHERE age = 1) AS available
        FROM known GROUP BY subject
    )
    SELECT l.subject, l.available, l.fell, a.id AS alert_id FROM level l
    LEFT JOIN alert a ON a.kind = 'LOW_STOCK' AND a.subject = l.subject AND a.closed_at IS NULL
    WHERE a.id IS NOT NULL OR l.fell
"""
