"""Events: facts about one subject, emitted by the domain that changed it and written in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from uriba.db.session import Insert, Session
from uriba.db.statements import fragment, statement
from uriba.outbox import payloads
from uriba.outbox.payloads import Data

PayloadClass = type[payloads.Payload]


@dataclass(frozen=True)
class Event:
    """A fact about one subject.

    A domain declares each of its events in its `events.py`, as a subclass whose docstring is the event's public
    description; nothing else has to be changed for a new event. `type` is its name in the feed, such as "order.placed";
    a subclass without one is a base of others. An event without a `Payload` is internal: the contract does not name it.

    `subject` is "Kind:key" (the global id before its encoding); `version` numbers the subject's events 1, 2, 3 … and
    comes from the subject's own locked row; `data` holds ids, versions and states, no personal data.
    """

    type: ClassVar[str]
    subject_kind: ClassVar[str]
    Payload: ClassVar[PayloadClass]
    coalesced: ClassVar[bool] = False
    """Whether the newest event of a subject may stand for several, where a receiver lags."""

    subject: str
    version: int
    data: Data = field(default_factory=dict)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "type" in vars(cls):
            _register(cls)

    @staticmethod
    def payload(data: Data, key: str) -> payloads.Payload:
        """Return the public content of stored data. `key`: the subject's. A missing key of `data` is a `KeyError`."""
        return payloads.Payload()

    @staticmethod
    def message(data: Data) -> str | None:
        """Return what happened as one sentence, for events that a timeline shows."""
        return None


registered: dict[str, type[Event]] = {}
"""Every event class that is imported, by type. `registry` imports those of all domains."""


def _register(event: type[Event]) -> None:
    """Errors: `TypeError` for a type that another class has, and for a public event without a description."""
    known = registered.setdefault(event.type, event)
    if known is not event:
        raise TypeError(f"{_name(event)} and {_name(known)} both have the type {event.type!r}.")
    if hasattr(event, "Payload") and not event.__doc__:
        raise TypeError(f"{_name(event)} needs a docstring: it is the event's public description.")


def _name(event: type[Event]) -> str:
    return f"{event.__module__}.{event.__qualname__}"


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


INSERT_EVENTS = fragment("INSERT INTO outbox_event (type, subject, version, data)")
"""Begins an INSERT of events, for statements that emit events about the rows that they change."""

_INSERT = statement(f"""
    {INSERT_EVENTS}
    SELECT e.type, e.subject, e.version, e.data
    FROM json_to_recordset(:events::json) AS e(type text, subject text, version bigint, data jsonb)
""")

_ROWS = Insert("outbox_event", (("type", "text"), ("subject", "text"), ("version", "bigint"), ("data", "jsonb")))
