"""Events of alerts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from uriba.alerts.enums import AlertKind
from uriba.core.ids import global_id
from uriba.db import Row
from uriba.outbox import Event
from uriba.outbox.payloads import Data, GlobalId, Payload

SUBJECT_PREFIX = "Alert:"


class AlertPayload(Payload):
    """The state of an alert."""

    kind: Annotated[AlertKind, Meta(description="The kind of alert.")]
    about: Annotated[
        GlobalId, Meta(description="Global id of the terminal, endpoint, stock level, location or feed concerned.")
    ]
    location_code: Annotated[str | None, Meta(description="The location; null where the alert concerns none.")]
    value: Annotated[float, Meta(description="The value measured when it opened: seconds or units, by kind.")]
    threshold: Annotated[float, Meta(description="The value at which it opens.")]


class AlertEvent(Event):
    """An event of an alert."""

    subject_kind = "Alert"
    Payload = AlertPayload

    @staticmethod
    def payload(data: Data, key: str) -> AlertPayload:
        return AlertPayload(
            kind=data["kind"],
            about=data["about"],
            location_code=data["location"],
            value=data["value"],
            threshold=data["threshold"],
        )


class AlertOpened(AlertEvent):
    """Staff have to look at something. Sent once; not again until the alert has closed."""

    type = "alert.opened"


class AlertClosed(AlertEvent):
    """The cause of an alert has been gone for long enough."""

    type = "alert.closed"


def alert_subject(alert_id: UUID) -> str:
    return f"{SUBJECT_PREFIX}{alert_id}"


def subject_id(subject: str) -> str:
    """Return the global id of a subject ("Kind:key")."""
    kind, _, key = subject.partition(":")
    return global_id(kind, key)


def event_data(row: Row) -> dict[str, object]:
    """Return the data of an alert's events; `location` is a code, null where there is none."""
    return {
        "kind": row["kind"],
        "about": subject_id(row["subject"]),
        "location": row["location"],
        "value": row["value"],
        "threshold": row["threshold"],
    }
