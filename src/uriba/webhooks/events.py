"""Events of webhook endpoints."""

from __future__ import annotations

from uuid import UUID

from uriba.outbox import Event, payloads


class EndpointTested(Event):
    """A person tests whether an endpoint receives webhooks. Sent to that endpoint only."""

    type = "endpoint.test"
    subject_kind = "Endpoint"

    class Payload(payloads.Payload):
        """No data."""


TEST = EndpointTested.type


def endpoint_subject(endpoint_id: UUID) -> str:
    return f"Endpoint:{endpoint_id}"
