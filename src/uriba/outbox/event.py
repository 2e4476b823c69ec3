"""Events: what happened, said in the past tense by the domain that changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from uriba.db.session import Insert, Session

SUBJECT_KINDS = ("Cart", "Order", "StockLevel", "Variant", "Terminal", "Endpoint", "Alert")


@dataclass(frozen=True, slots=True)
class Event:
    """A fact about one subject. Subclasses fix the type.

    `subject` is "Kind:key" (the global id before its encoding); `version` counts the subject's events 1, 2, 3 … and
    comes from the subject's own locked row; `data` holds ids, versions and states, no personal details.
    """

    type: ClassVar[str]

    subject: str
    version: int
    data: Mapping[str, object] = field(default_factory=dict)


def emit(session: Session, *events: Event) -> None:
    """Have the events written with this transaction, just before it commits."""
    session.pending.extend(events)


EVENTS_OF = (
    "SELECT e.type, e.subject, e.version, e.data "
    "FROM json_to_recordset({parameter}::json) AS e(type text, subject text, version bigint, data jsonb)"
)
"""The rows of `as_json`; a hot statement inserts them in a CTE of its own."""

INSERT_EVENTS = "INSERT INTO outbox_event (type, subject, version, data) "
_INSERT = INSERT_EVENTS + EVENTS_OF.format(parameter="$1")


def write(session: Session) -> None:
    """Have what was emitted written with the last statement of the transaction."""
    if session.pending:
        rows, session.pending = as_json(session.pending), []
        session.later(_INSERT, rows)


async def write_now(session: Session) -> None:
    """The same at once, for the many events of a bulk change."""
    events, session.pending = session.pending, []
    await session.insert(_ROWS, [(e.type, e.subject, e.version, msgspec.json.encode(e.data).decode()) for e in events])


_ROWS = Insert("outbox_event", (("type", "text"), ("subject", "text"), ("version", "bigint"), ("data", "jsonb")))


def as_json(events: list[Event]) -> str:
    """Events as the parameter of `EVENTS_OF`."""
    rows = [{"type": e.type, "subject": e.subject, "version": e.version, "data": e.data} for e in events]
    return msgspec.json.encode(rows).decode()
