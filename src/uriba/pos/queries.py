"""Reads of terminals."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from uriba.access.keys import VALID_KEY
from uriba.catalog.locations import LOCATION_HOURS
from uriba.db import Session
from uriba.db.statements import statement


class TerminalSync(NamedTuple):
    """The last sync of a till, with the time zone and opening hours of its location (None: the default hours)."""

    key_id: str
    synced_at: datetime
    location_id: int
    timezone: str
    opening_hours: str | None


async def terminals_not_synced(session: Session, *, for_s: float) -> list[TerminalSync]:
    """Return the tills with a valid key that have synced, but not within the last `for_s` seconds."""
    return [TerminalSync(*row.values()) for row in await session.fetch(_NOT_SYNCED, for_s=for_s)]


_NOT_SYNCED = statement(f"""
    SELECT t.key_id, t.synced_at, t.location_id, l.timezone, l.opening_hours
    FROM pos_terminal t JOIN ({LOCATION_HOURS}) l ON l.id = t.location_id
    WHERE t.synced_at < now() - make_interval(secs => :for_s) AND {VALID_KEY.format(key="t.key_id")}
""")
