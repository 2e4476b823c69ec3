"""What endpoints hear of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from uriba.outbox import Event

TEST = "endpoint.test"


@dataclass(frozen=True, slots=True)
class EndpointTest(Event):
    """Somebody wants to see whether an endpoint hears; no other endpoint is told."""

    type: ClassVar[str] = TEST


def endpoint_subject(endpoint_id: UUID) -> str:
    return f"Endpoint:{endpoint_id}"
