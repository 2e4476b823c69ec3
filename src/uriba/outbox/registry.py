"""The registry of events: every type there is, and stored events as others see them.

An event is declared once, in the `events.py` of its domain. Its type, its payload in the feed, in webhooks and in
subscriptions, its timeline message, the schemas and the reference page all come from that class.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import to_builtins

import uriba
from uriba.core.errors import Code, Refusals
from uriba.core.ids import global_id
from uriba.db import Row
from uriba.outbox.event import Event, registered
from uriba.outbox.payloads import Data

TYPES_MAX = 100


@cache
def load_events() -> None:
    """Import the `events` module of every package of the program, once."""
    for path in sorted(Path(uriba.__path__[0]).glob("*/events.py")):
        import_module(f"uriba.{path.parent.name}.events")


def events() -> list[type[Event]]:
    """Return the public events, by type."""
    load_events()
    return [event for _, event in sorted(registered.items()) if hasattr(event, "Payload")]


def types() -> frozenset[str]:
    """Return the types of the public events."""
    return frozenset(event.type for event in events())


def coalesced_types() -> frozenset[str]:
    """Return the types of which the newest event of a subject may stand for several."""
    return frozenset(event.type for event in events() if event.coalesced)


def check_types(requested: Sequence[str] | None, *path: str) -> None:
    """Errors: INVALID for each type that does not exist and for an empty list, LIMIT_EXCEEDED for too many."""
    refusals = Refusals()
    if requested is not None and len(requested) > TYPES_MAX:
        refusals.add(Code.LIMIT_EXCEEDED, f"Give at most {TYPES_MAX} types.", *path)
    known = types()
    for index, name in enumerate(requested or ()):
        if name not in known:
            refusals.add(Code.INVALID, "There is no such event type.", *path, index)
    if requested is not None and not requested:
        refusals.add(Code.INVALID, "Give at least one type, or leave types out for all.", *path)
    refusals.raise_any()


def present(row: Row) -> dict[str, Any]:
    """Return a row of the feed as the contract's Event: the same in the feed, in webhooks and in subscriptions.

    `data` is empty for a type that is not known here, and where the stored data lacks a key: another release may have
    written it. The receiver reads the subject again, and the events that follow are not held up.
    """
    kind, _, key = row["subject"].partition(":")
    type = row["type"]
    event = registered.get(type) or _find(type)
    try:
        data = to_builtins(event.payload(row["data"], key))
    except KeyError:
        data = {}
    return {
        "id": global_id("Event", row["id"]),
        "type": type,
        "subject": global_id(kind, key),
        "version": row["version"],
        "at": _utc_text(row["at"]),
        "data": data,
    }


def _utc_text(at: datetime) -> str:
    """Return a time as `isoformat` writes it in UTC; msgspec takes a fifth of the time for it, but ends it with Z."""
    text: str = to_builtins(at if at.tzinfo is UTC else at.astimezone(UTC))
    return text[:-1] + "+00:00"


def message(type: str, data: Data) -> str:
    """Return an event of a timeline as one sentence; its type where there is none for its data."""
    try:
        return _find(type).message(data) or type
    except KeyError:
        return type


def _find(type: str) -> type[Event]:
    """Return the event class of a type; the base class, which has no payload and no message, for an unknown one."""
    if type not in registered:
        load_events()
    return registered.get(type, Event)
