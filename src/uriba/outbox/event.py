"""Events: facts about one subject, emitted by the domain that changed it and written in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from uriba.db.session import Insert, Session
from uriba.db.statements import statement

SUBJECT_KINDS = ("Cart", "Order", "StockLevel", "Variant", "Terminal", "Endpoint", "Alert")


@dataclass(frozen=True, slots=True)
class Event:
    """A fact about one subject; each subclass has a type.

    `subject` is "Kind:key" (the global id before its encoding); `version` numbers the subject's events 1, 2, 3 … and
    comes from the subject's own locked row; `data` holds ids, versions and states, no personal data.
    """

    type: ClassVar[str]

    subject: str
    version: int
    data: Mapping[str, object] = field(default_factory=dict)


def emit(session: Session, *events: Event) -> None:
    """Have the events written with this transaction, by its next flush or its commit."""
    session.events.extend(events)


def write(session: Session) -> None:
    """Turn emitted events into a deferred write. The database calls this before each flush."""
    if session.events:
        rows, session.events = [_row(event) for event in session.events], []
        session.defer(_INSERT, events=msgspec.json.encode(rows).decode())


async def write_in_bulk(session: Session) -> None:
    """Write emitted events now, by COPY where there are many."""
    events, session.events = session.events, []
    await session.insert(_ROWS, [(e.type, e.subject, e.version, msgspec.json.encode(e.data).decode()) for e in events])


def _row(event: Event) -> dict[str, object]:
    return {"type": event.type, "subject": event.subject, "version": event.version, "data": event.data}


_INSERT = statement("""
    INSERT INTO outbox_event (type, subject, version, data)
    SELECT e.type, e.subject, e.version, e.data
    FROM json_to_recordset(:events::json) AS e(type text, subject text, version bigint, data jsonb)
""")

_ROWS = Insert("outbox_event", (("type", "text"), ("subject", "text"), ("version", "bigint"), ("data", "jsonb")))
