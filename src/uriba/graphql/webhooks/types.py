"""GraphQL types of the feed, endpoints and deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from uriba.core import pages
from uriba.core.ids import global_id
from uriba.db import Row
from uriba.graphql.catalog.types import Channel, channel_of
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.scalars import Node, PageInfo, UserError
from uriba.outbox import registry
from uriba.webhooks import deliveries
from uriba.webhooks.deliveries import AttemptRecord, DeliveryRecord
from uriba.webhooks.endpoints import EndpointRecord
from uriba.webhooks.enums import DeliveryStatus, EndpointStatus

strawberry.enum(
    EndpointStatus,
    description="ACTIVE: the last attempt succeeded. RETRYING: deliveries are being retried. PAUSED: nothing is sent.",
)
strawberry.enum(
    DeliveryStatus,
    description="PENDING: to be sent or retried. DELIVERED: accepted with 2xx. FAILED: given up by a person.",
)


@strawberry.type(description="Something that happened to a subject; the same in the feed, webhooks and subscriptions.")
class Event:
    id: strawberry.ID = strawberry.field(description="The webhook-id of its deliveries.")
    type: str
    subject: strawberry.ID = strawberry.field(description="The global id of what the event is about.")
    version: int = strawberry.field(description="The number of the event among those of its subject: 1, 2, 3 …")
    at: datetime
    data: JSON = strawberry.field(description="Ids, versions and states; schema/webhooks.json describes them by type.")


@strawberry.type
class EventEdge:
    node: Event
    cursor: str


@strawberry.type
class EventConnection:
    edges: list[EventEdge]
    page_info: PageInfo


@strawberry.type(description="The start and the end of the feed now, as cursors.")
class Feed:
    earliest: str = strawberry.field(description="Reading after it returns all events that the feed still has.")
    end: str = strawberry.field(
        description="To start without past events, take it, read the current state, then read the feed after it."
    )


@strawberry.type(description="A failed attempt to deliver.")
class DeliveryAttempt:
    at: datetime
    took_ms: int
    response_code: int | None
    problem: str | None = strawberry.field(description="Why no response came, such as TIMEOUT. Null if one came.")


@strawberry.type(description="One event for one endpoint.")
class Delivery(Node):
    event: Event
    attempts: int
    status: DeliveryStatus
    response_code: int | None = strawberry.field(description="The status of the last response.")
    problem: str | None = strawberry.field(description="Why no response came, such as TIMEOUT. Null if one came.")
    next_attempt_at: datetime | None
    ended_at: datetime | None
    first_version: int = strawberry.field(
        description="The first of the versions that a coalesced delivery stands for; else the event's version."
    )
    number: strawberry.Private[int]

    @strawberry.field(description="The failed attempts, oldest first.")
    async def log(self, info: Info) -> list[DeliveryAttempt]:
        attempts = await info.context.loaders.attempts_of_delivery.get(self.number) or []
        return [_attempt_of(attempt) for attempt in attempts]


@strawberry.type
class DeliveryEdge:
    node: Delivery
    cursor: str


@strawberry.type
class DeliveryConnection:
    edges: list[DeliveryEdge]
    page_info: PageInfo


@strawberry.type(description="A URL that receives events as signed webhooks (Standard Webhooks 1.0.0).")
class Endpoint(Node):
    url: str
    types: list[str] | None = strawberry.field(description="The types of event that it receives. Null: all.")
    status: EndpointStatus
    paused_reason: str | None = strawberry.field(
        description="ASKED (by endpointPause), GONE (it responded 410) or EXHAUSTED (a delivery had no retry left)."
    )
    failing_since: datetime | None
    delivered_at: datetime | None = strawberry.field(description="When it last accepted a delivery.")
    created_at: datetime
    key: strawberry.Private[UUID]
    channel_id: strawberry.Private[int | None]

    @strawberry.field
    async def channel(self, info: Info) -> Channel | None:
        row = await info.context.loaders.channel.get(self.channel_id) if self.channel_id else None
        return channel_of(row) if row else None

    @strawberry.field(description="The age of the oldest event that it has not received; 0 if there is none.")
    async def lag_seconds(self, info: Info) -> int:
        return await info.context.loaders.lag_of_endpoint.get(self.key) or 0

    @strawberry.field(description="The delivery log, newest first.")
    async def deliveries(
        self, info: Info, first: int | None = 20, after: str | None = None, status: DeliveryStatus | None = None
    ) -> DeliveryConnection:
        size = pages.check_first(20 if first is None else first)
        async with info.context.reading() as session:
            found = await deliveries.page(
                session, self.key, before=pages.after_number(after), first=size + 1, status=status
            )
        page = pages.page(found, first=size, after=after, key=lambda delivery: delivery.position)
        return connect(DeliveryConnection, DeliveryEdge, page, delivery_of)  # type: ignore[no-any-return]


@strawberry.type
class EndpointPayload:
    endpoint: Endpoint | None = None
    secret: str | None = strawberry.field(default=None, description="The secret that signs deliveries. Shown only now.")
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class DeliveryPayload:
    delivery: Delivery | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input(description="`url`: begins with https://. `types`: the types of event to receive; all if left out.")
class EndpointInput:
    url: str
    types: list[str] | None = None
    channel: str | None = None


def event_of(row: Row) -> Event:
    event: dict[str, Any] = registry.present(row)
    return Event(
        id=strawberry.ID(event["id"]),
        type=event["type"],
        subject=strawberry.ID(event["subject"]),
        version=event["version"],
        at=row["at"],
        data=JSON(event["data"]),
    )


def edge_of(row: Row) -> EventEdge:
    return EventEdge(node=event_of(row), cursor=pages.cursor(row["position"]))


def endpoint_of(endpoint: EndpointRecord) -> Endpoint:
    return Endpoint(
        id=strawberry.ID(global_id("Endpoint", endpoint.id)),
        url=endpoint.url,
        types=None if endpoint.types is None else list(endpoint.types),
        status=endpoint.status,
        paused_reason=endpoint.paused_reason,
        failing_since=endpoint.failing_since,
        delivered_at=endpoint.delivered_at,
        created_at=endpoint.created_at,
        key=endpoint.id,
        channel_id=endpoint.channel_id,
    )


def delivery_of(delivery: DeliveryRecord) -> Delivery:
    return Delivery(
        id=strawberry.ID(global_id("Delivery", delivery.id)),
        event=event_of(delivery.event),
        attempts=delivery.attempts,
        status=delivery.status,
        response_code=delivery.response_code,
        problem=delivery.problem,
        next_attempt_at=delivery.next_at,
        ended_at=delivery.ended_at,
        first_version=delivery.first_version,
        number=delivery.id,
    )


def _attempt_of(attempt: AttemptRecord) -> DeliveryAttempt:
    return DeliveryAttempt(
        at=attempt.at, took_ms=attempt.took_ms, response_code=attempt.response_code, problem=attempt.problem
    )
