"""Alerts on low stock. The feed is scanned batch by batch from a stored position; most levels never need an alert."""

from __future__ import annotations

from uriba.alerts import alerts
from uriba.alerts.enums import AlertKind
from uriba.alerts.rules import Signal, stock_closes, stock_opens
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement
from uriba.inventory.queries import LEDGER_BALANCE
from uriba.outbox import relay

BATCH = 2_000
"""Positions of the feed that are scanned in one transaction."""


async def scan(session: Session, *, low: int) -> tuple[int, bool]:
    """Scan the next batch of the feed; return how many alerts opened and closed, and whether there is more to scan.

    The scans of several processes take turns; each continues where the one before it ended.
    """
    start = int(await session.fetchval(_LOCK_CURSOR))
    end = await relay.end_of_feed(session)
    until = min(start + BATCH, end)
    if until <= start:
        return 0, False
    rows = await session.fetch(_LEVELS, start=start, until=until, low=low)
    await session.run(_MOVE_CURSOR, until=until)
    to_open = [
        row for row in rows if row["alert_id"] is None and stock_opens(row["available"], fell=row["fell"], low=low)
    ]
    to_close = [row for row in rows if row["alert_id"] is not None and stock_closes(row["available"], low=low)]
    changed = await alerts.open_alerts(session, [(_signal(row), float(low)) for row in to_open])
    changed += await alerts.close_alerts(session, [row["alert_id"] for row in to_close])
    return changed, until < end


def _signal(row: Row) -> Signal:
    location_id = int(row["subject"].rpartition(":")[2])
    available = float(row["available"])
    return Signal(AlertKind.LOW_STOCK, row["subject"], available, available, location_id=location_id)


_LOCK_CURSOR = statement("SELECT position FROM alert_cursor FOR UPDATE")
_MOVE_CURSOR = statement("UPDATE alert_cursor SET position = :until")

_AVAILABLE = fragment("""
    (({data}->>'onHand')::bigint - ({data}->>'unavailable')::bigint - ({data}->>'committed')::bigint
        - ({data}->>'reserved')::bigint - ({data}->>'safetyStock')::bigint)
""")

_LEDGER_BALANCE = LEDGER_BALANCE.format(
    variant_id="split_part(s.subject, ':', 2)::bigint",
    location_id="split_part(s.subject, ':', 3)::bigint",
    at="s.at",
)

# `before` is what was available before the first event of the level in this batch: by the level's previous event; by
# the ledger where the feed no longer has that event; null where the level did not exist.
_LEVELS = statement(f"""
    WITH changes AS MATERIALIZED (
        SELECT subject, version, at, data, {_AVAILABLE.format(data="data")} AS available
        FROM outbox_event WHERE position > :start AND position <= :until AND type = 'stock.changed'
    ), stepped AS (
        SELECT c.*, lag(available) OVER oldest AS before, row_number() OVER oldest AS n,
            row_number() OVER (PARTITION BY subject ORDER BY version DESC) AS age
        FROM changes c WINDOW oldest AS (PARTITION BY subject ORDER BY version)
    ), known AS (
        SELECT s.subject, s.available, s.age, CASE
            WHEN s.n > 1 THEN s.before
            WHEN s.available <= :low AND s.version > 1 THEN coalesce((
                SELECT {_AVAILABLE.format(data="e.data")} FROM outbox_event e
                WHERE e.subject = s.subject AND e.version < s.version AND e.type = 'stock.changed'
                ORDER BY e.version DESC LIMIT 1
            ), {_LEDGER_BALANCE} - (s.data->>'safetyStock')::bigint) END AS before
        FROM stepped s
    ), level AS (
        SELECT subject, coalesce(bool_or(available <= :low AND before > :low), false) AS fell,
            max(available) FILTER (WHERE age = 1) AS available
        FROM known GROUP BY subject
    )
    SELECT l.subject, l.available, l.fell, a.id AS alert_id FROM level l
    LEFT JOIN alert a ON a.kind = 'LOW_STOCK' AND a.subject = l.subject AND a.closed_at IS NULL
    WHERE a.id IS NOT NULL OR l.fell
""")
