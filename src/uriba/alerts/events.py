"""What the feed says of alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from uriba.core.ids import global_id
from uriba.db import Row
from uriba.outbox import Event

SUBJECT = "Alert:"


@dataclass(frozen=True, slots=True)
class AlertOpened(Event):
    """Somebody has to look at something."""

    type: ClassVar[str] = "alert.opened"


@dataclass(frozen=True, slots=True)
class AlertClosed(Event):
    """It is well again."""

    type: ClassVar[str] = "alert.closed"


def alert_subject(alert_id: UUID) -> str:
    return f"{SUBJECT}{alert_id}"


def about(subject: str) -> str:
    """The global id of what an alert is about."""
    kind, _, key = subject.partition(":")
    return global_id(kind, key)


def content(row: Row) -> dict[str, object]:
    """The data of an alert's events; `location` is a code, null where there is none."""
    return {
        "kind": row["kind"],
        "about": about(row["subject"]),
        "location": row["location"],
        "value": row["value"],
        "threshold": row["threshold"],
    }
