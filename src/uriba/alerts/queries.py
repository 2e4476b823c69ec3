"""Reads of alerts. A caller sees the alerts of its channel and those of no channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.alerts.enums import AlertKind, AlertStatus
from uriba.core.actor import Actor
from uriba.db import Session
from uriba.db.statements import fragment, statement


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert. `subject` is "Kind:key"; `events` is the version of its newest event."""

    id: UUID
    kind: str
    subject: str
    location_id: int | None
    channel_id: int | None
    value: float
    threshold: float
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    events: int

    @property
    def status(self) -> AlertStatus:
        return AlertStatus.OPEN if self.closed_at is None else AlertStatus.CLOSED


ALERT_COLUMNS = fragment("""
    a.id, a.kind, a.subject, a.location_id, a.channel_id, a.value, a.threshold, a.opened_at, a.closed_at,
    a.acknowledged_at, a.acknowledged_by, a.events
""")
"""The columns of an `AlertRecord`."""

VISIBLE = fragment("(:only_channel_id::bigint IS NULL OR a.channel_id IS NULL OR a.channel_id = :only_channel_id)")
"""Whether the caller sees an alert. `only_channel_id`: the channel that the caller is restricted to."""


async def by_id(session: Session, alert_id: UUID, *, actor: Actor) -> AlertRecord | None:
    """Return an alert that the actor sees."""
    row = await session.fetchrow(_BY_ID, alert_id=alert_id, only_channel_id=actor.restricted_to_channel)
    return None if row is None else AlertRecord(**row)


_BY_ID = statement(f"SELECT {ALERT_COLUMNS} FROM alert a WHERE a.id = :alert_id AND {VISIBLE}")


async def page(
    session: Session,
    *,
    actor: Actor,
    status: AlertStatus | None = None,
    kind: AlertKind | None = None,
    location_id: int | None = None,
    first: int,
    before: UUID | None = None,
) -> list[AlertRecord]:
    """Return alerts that the actor sees, newest first, one more than `first`. `before`: the last alert seen before."""
    rows = await session.fetch(
        _PAGES[status],
        only_channel_id=actor.restricted_to_channel,
        kind=kind,
        location_id=location_id,
        before=before,
        limit=first + 1,
    )
    return [AlertRecord(**row) for row in rows]


# Three statements rather than a parameter: the partial index of open alerts serves a constant condition only.
_PAGES = {
    status: statement(f"""
        SELECT {ALERT_COLUMNS} FROM alert a WHERE {condition} AND {VISIBLE}
            AND (:kind::text IS NULL OR a.kind = :kind)
            AND (:location_id::bigint IS NULL OR a.location_id = :location_id)
            AND (:before::uuid IS NULL OR a.id < :before)
        ORDER BY a.id DESC LIMIT :limit
    """)
    for status, condition in (
        (None, "true"),
        (AlertStatus.OPEN, "a.closed_at IS NULL"),
        (AlertStatus.CLOSED, "a.closed_at IS NOT NULL"),
    )
}
