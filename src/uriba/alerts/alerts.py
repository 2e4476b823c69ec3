"""Alerts: opened, kept, closed, acknowledged, each change of the first and last kind with its event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from uriba.alerts import signals
from uriba.alerts.events import AlertClosed, AlertOpened, alert_subject, event_data
from uriba.alerts.models import AlertKind, AlertStatus
from uriba.alerts.rules import RULES, Decisions, Signal, Standing, decide
from uriba.core.actor import Actor
from uriba.core.errors import NotFound
from uriba.core.ids import new_id
from uriba.db import Row, Session
from uriba.outbox import emit

COLUMNS = """
    a.id, a.kind, a.subject, a.location_id, a.channel_id, a.value, a.threshold, a.opened_at, a.closed_at,
    a.acknowledged_at, a.acknowledged_by, a.events
"""


async def watch(session: Session, *, now: datetime, default_hours: str) -> int:
    """Open and close what the rules say; how many. Any number of sweeps may do this at once."""
    measured = await signals.measure(session, now=now, default_hours=default_hours)
    return await apply(session, decide(measured, await _standing(session), now), now=now)


async def _standing(session: Session) -> list[Standing]:
    rows = await session.fetch(
        "SELECT id, kind, subject, calm_since FROM alert WHERE closed_at IS NULL AND kind = ANY($1)", list(RULES)
    )
    return [Standing(row["id"], AlertKind(row["kind"]), row["subject"], row["calm_since"]) for row in rows]


async def apply(session: Session, decisions: Decisions, *, now: datetime) -> int:
    """Do what was decided; how many alerts opened and closed."""
    if decisions.calmed or decisions.uneasy:
        await session.run(_CALM, decisions.calmed, decisions.uneasy, now)
    opened = await open_all(session, [(s, RULES[s.kind].opens_at) for s in decisions.opened])
    return opened + await close_all(session, decisions.closed)


_CALM = """
    UPDATE alert SET calm_since = CASE WHEN id = ANY($1::uuid[]) THEN $3::timestamptz END
    WHERE id IN (SELECT id FROM alert WHERE id = ANY($1 || $2::uuid[]) AND closed_at IS NULL ORDER BY id FOR UPDATE)
"""


async def open_all(session: Session, measured: Sequence[tuple[Signal, float]]) -> int:
    """Open alerts with their thresholds, where none is open about the same; how many."""
    if not measured:
        return 0
    given = sorted(measured, key=lambda pair: (pair[0].kind, pair[0].subject))
    rows = await session.fetch(
        _OPEN,
        [new_id() for _ in given],
        [signal.kind for signal, _ in given],
        [signal.subject for signal, _ in given],
        [signal.location_id for signal, _ in given],
        [signal.channel_id for signal, _ in given],
        [round(signal.value or 0.0, 3) for signal, _ in given],
        [threshold for _, threshold in given],
    )
    emit(session, *(AlertOpened(alert_subject(row["id"]), row["events"], event_data(row)) for row in rows))
    return len(rows)


# Whoever comes second waits for the first one's end, and then opens none.
_OPEN = """
    WITH opened AS (
        INSERT INTO alert (id, kind, subject, location_id, channel_id, value, threshold)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::float8[], $7::float8[])
        ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO NOTHING RETURNING *
    )
    SELECT a.*, l.code AS location FROM opened a LEFT JOIN location l ON l.id = a.location_id
"""


async def close_all(session: Session, alert_ids: Sequence[UUID]) -> int:
    """Close what is still open of these; how many."""
    if not alert_ids:
        return 0
    rows = await session.fetch(_CLOSE, list(alert_ids))
    emit(session, *(AlertClosed(alert_subject(row["id"]), row["events"], event_data(row)) for row in rows))
    return len(rows)


_CLOSE = """
    WITH chosen AS (
        SELECT id FROM alert WHERE id = ANY($1) AND closed_at IS NULL ORDER BY id FOR UPDATE
    ), closed AS (
        UPDATE alert a SET closed_at = now(), events = a.events + 1 FROM chosen WHERE a.id = chosen.id RETURNING a.*
    )
    SELECT a.*, l.code AS location FROM closed a LEFT JOIN location l ON l.id = a.location_id
"""


async def acknowledge(session: Session, alert_id: UUID, *, actor: Actor) -> Row:
    """Say that somebody looks after it; who said so first stays. Errors: `NotFound`."""
    row = await session.fetchrow(
        "UPDATE alert a SET acknowledged_at = coalesce(acknowledged_at, now()), "
        f"acknowledged_by = coalesce(acknowledged_by, $2) WHERE a.id = $1 AND {_OWN.format(3)} RETURNING {COLUMNS}",
        alert_id,
        actor.label,
        actor.restricted_to_channel,
    )
    if row is None:
        raise NotFound("There is no such alert.", "id")
    return row


_OWN = "(${0}::bigint IS NULL OR a.channel_id IS NULL OR a.channel_id = ${0})"
"""An app is not concerned with the endpoints of other channels."""


async def visible(session: Session, alert_id: UUID, *, actor: Actor) -> Row | None:
    """An alert that concerns the caller."""
    return await session.fetchrow(
        f"SELECT {COLUMNS} FROM alert a WHERE a.id = $1 AND {_OWN.format(2)}", alert_id, actor.restricted_to_channel
    )


async def some(
    session: Session,
    *,
    actor: Actor,
    status: AlertStatus | None = None,
    kind: AlertKind | None = None,
    location_id: int | None = None,
    first: int,
    before: UUID | None = None,
) -> list[Row]:
    """Alerts that concern the caller, newest first, one more than asked for."""
    closed = {None: "true", AlertStatus.OPEN: "closed_at IS NULL", AlertStatus.CLOSED: "closed_at IS NOT NULL"}
    return await session.fetch(
        f"SELECT {COLUMNS} FROM alert a WHERE {closed[status]} AND {_OWN.format(1)} "
        "AND ($2::text IS NULL OR a.kind = $2) AND ($3::bigint IS NULL OR a.location_id = $3) "
        "AND ($4::uuid IS NULL OR a.id < $4) ORDER BY a.id DESC LIMIT $5",
        actor.restricted_to_channel,
        kind,
        location_id,
        before,
        first + 1,
    )
