"""Signals of webhook endpoints for alerts."""

from __future__ import annotations

from datetime import datetime

from uriba.alerts.enums import AlertKind
from uriba.alerts.rules import Signal
from uriba.db import Session
from uriba.db.statements import statement
from uriba.webhooks.events import endpoint_subject


async def paused_endpoints(session: Session, now: datetime) -> list[Signal]:
    """Report endpoints that were paused because deliveries failed, not those that a person paused."""
    rows = await session.fetch(_PAUSED)
    return [
        Signal(AlertKind.ENDPOINT_PAUSED, endpoint_subject(row["id"]), 1.0, 1.0, channel_id=row["channel_id"])
        for row in rows
    ]


_PAUSED = statement("""
    SELECT id, channel_id FROM endpoint
    WHERE deleted_at IS NULL AND status = 'PAUSED' AND paused_reason <> 'ASKED'
""")
