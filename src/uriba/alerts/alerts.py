"""Alerts are opened, kept, closed and acknowledged here. Opening and closing emit an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from uriba.alerts.enums import AlertKind
from uriba.alerts.events import AlertClosed, AlertOpened, alert_subject, event_data
from uriba.alerts.queries import ALERT_COLUMNS, VISIBLE, AlertRecord
from uriba.alerts.rules import RULES, Decisions, OpenAlert, Signal, decide
from uriba.alerts.signals import SignalSource
from uriba.core.actor import Actor
from uriba.core.errors import NotFound
from uriba.core.ids import new_id
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.outbox import emit


async def evaluate(session: Session, sources: Mapping[AlertKind, SignalSource], *, now: datetime) -> int:
    """Measure all sources, then open and close alerts of their kinds by the rules; return how many.

    Any number of processes may do this at once.
    """
    signals = [signal for measure in sources.values() for signal in await measure(session, now)]
    decisions = decide(signals, await _open_alerts(session, list(sources)), now)
    return await _apply(session, decisions, now=now)


async def _open_alerts(session: Session, kinds: Sequence[AlertKind]) -> list[OpenAlert]:
    rows = await session.fetch(_OPEN_ALERTS, kinds=kinds)
    return [OpenAlert(row["id"], AlertKind(row["kind"]), row["subject"], row["calm_since"]) for row in rows]


_OPEN_ALERTS = statement(
    "SELECT id, kind, subject, calm_since FROM alert WHERE closed_at IS NULL AND kind = ANY(:kinds::text[])"
)


async def _apply(session: Session, decisions: Decisions, *, now: datetime) -> int:
    """Carry out decisions; return how many alerts opened and closed."""
    if decisions.calm or decisions.not_calm:
        await session.run(_SET_CALM, calm=decisions.calm, not_calm=decisions.not_calm, now=now)
    opened = await open_alerts(session, [(signal, RULES[signal.kind].opens_at) for signal in decisions.to_open])
    return opened + await close_alerts(session, decisions.to_close)


_SET_CALM = statement("""
    UPDATE alert SET calm_since = CASE WHEN id = ANY(:calm::uuid[]) THEN :now::timestamptz END
    WHERE id IN (
        SELECT id FROM alert WHERE id = ANY(:calm::uuid[] || :not_calm::uuid[]) AND closed_at IS NULL
        ORDER BY id FOR UPDATE
    )
""")


async def open_alerts(session: Session, signals: Sequence[tuple[Signal, float]]) -> int:
    """Open alerts for signals and their thresholds, except where one is open about the subject; return how many."""
    if not signals:
        return 0
    ordered = sorted(signals, key=lambda pair: (pair[0].kind, pair[0].subject))
    rows = await session.fetch(
        _OPEN,
        ids=[new_id() for _ in ordered],
        kinds=[signal.kind for signal, _ in ordered],
        subjects=[signal.subject for signal, _ in ordered],
        location_ids=[signal.location_id for signal, _ in ordered],
        channel_ids=[signal.channel_id for signal, _ in ordered],
        values=[round(signal.opening_value or 0.0, 3) for signal, _ in ordered],
        thresholds=[threshold for _, threshold in ordered],
    )
    emit(session, *(AlertOpened(alert_subject(row["id"]), row["events"], event_data(row)) for row in rows))
    return len(rows)


# Of two transactions that open the same alert, the second waits for the first to end and then inserts nothing.
_OPEN = statement("""
    WITH opened AS (
        INSERT INTO alert (id, kind, subject, location_id, channel_id, value, threshold)
        SELECT * FROM unnest(:ids::uuid[], :kinds::text[], :subjects::text[], :location_ids::bigint[],
            :channel_ids::bigint[], :values::float8[], :thresholds::float8[])
        ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO NOTHING RETURNING *
    )
    SELECT a.*, l.code AS location FROM opened a LEFT JOIN location l ON l.id = a.location_id
""")


async def close_alerts(session: Session, alert_ids: Sequence[UUID]) -> int:
    """Close those of the alerts that are open; return how many."""
    if not alert_ids:
        return 0
    rows = await session.fetch(_CLOSE, alert_ids=alert_ids)
    emit(session, *(AlertClosed(alert_subject(row["id"]), row["events"], event_data(row)) for row in rows))
    return len(rows)


_CLOSE = statement("""
    WITH chosen AS (
        SELECT id FROM alert WHERE id = ANY(:alert_ids::uuid[]) AND closed_at IS NULL ORDER BY id FOR UPDATE
    ), closed AS (
        UPDATE alert a SET closed_at = now(), events = a.events + 1 FROM chosen WHERE a.id = chosen.id RETURNING a.*
    )
    SELECT a.*, l.code AS location FROM closed a LEFT JOIN location l ON l.id = a.location_id
""")


async def acknowledge(session: Session, alert_id: UUID, *, actor: Actor) -> AlertRecord:
    """Record that the actor takes care of an alert; the first acknowledgement stays. Errors: `NotFound`."""
    row: Row | None = await session.fetchrow(
        _ACKNOWLEDGE, alert_id=alert_id, label=actor.label, only_channel_id=actor.restricted_to_channel
    )
    if row is None:
        raise NotFound("There is no such alert.", "id")
    return AlertRecord(**row)


_ACKNOWLEDGE = statement(f"""
    UPDATE alert a SET acknowledged_at = coalesce(acknowledged_at, now()),
        acknowledged_by = coalesce(acknowledged_by, :label)
    WHERE a.id = :alert_id AND {VISIBLE} RETURNING {ALERT_COLUMNS}
""")
