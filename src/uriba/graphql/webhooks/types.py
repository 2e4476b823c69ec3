"""The feed, endpoints and deliveries as the API shows them."""

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
from uriba.webhooks.models import DeliveryStatus, EndpointStatus

strawberry.enum(
    EndpointStatus,
    description="ACTIVE: what was sent last was taken. RETRYING: something is tried again. PAUSED: nothing is sent.",
)
strawberry.enum(
    DeliveryStatus,
    description="PENDING: to be sent, again where it failed. DELIVERED: taken. FAILED: given up by a person.",
)


@strawberry.type(description="What happened to one subject; the same in the feed, in webhooks and in subscriptions.")
class Event:
    id: strawberry.ID = strawberry.field(description="The webhook-id of its deliveries.")
    type: str
    subject: strawberry.ID = strawberry.field(description="The global id of what it is about.")
    version: int = strawberry.field(description="1, 2, 3 … of the subject's events.")
    at: datetime
    data: JSON = strawberry.field(description="Ids, versions and states; schema/webhooks.json describes it by type.")


@strawberry.type
class EventEdge:
    node: Event
    cursor: str


@strawberry.type
class EventConnection:
    edges: list[EventEdge]
    page_info: PageInfo


@strawberry.type(description="Where the feed begins and ends now, as cursors.")
class Feed:
    earliest: str = strawberry.field(description="Reading after this gives all that the feed still has.")
    end: str = strawberry.field(
        description="Take this, read the present state, then read on after it: a way to begin without the past."
    )


@strawberry.type(description="One try to deliver.")
class DeliveryAttempt:
    at: datetime
    took_ms: int
    response_code: int | None
    problem: str | None = strawberry.field(description="What was wrong where no answer came, such as TIMEOUT.")


@strawberry.type(description="One event for one endpoint.")
class Delivery(Node):
    event: Event
    attempts: int
    status: DeliveryStatus
    response_code: int | None = strawberry.field(description="The last answer's status.")
    problem: str | None = strawberry.field(description="What was wrong where no answer came, such as TIMEOUT.")
    next_attempt_at: datetime | None
    ended_at: datetime | None
    first_version: int = strawberry.field(
        description="The first of the versions that it stands for, where an endpoint lagged."
    )
    number: strawberry.Private[int]

    @strawberry.field(description="The tries that failed, oldest first.")
    async def log(self, info: Info) -> list[DeliveryAttempt]:
        rows = await info.context.loaders.attempts_of_delivery.get(self.number) or []
        return [
            DeliveryAttempt(
                at=row["at"], took_ms=row["took_ms"], response_code=row["response_code"], problem=row["problem"]
            )
            for row in rows
        ]


@strawberry.type
class DeliveryEdge:
    node: Delivery
    cursor: str


@strawberry.type
class DeliveryConnection:
    edges: list[DeliveryEdge]
    page_info: PageInfo


@strawberry.type(description="Where a channel is told of what happens, by signed webhooks (Standard Webhooks 1.0.0).")
class Endpoint(Node):
    url: str
    types: list[str] | None = strawberry.field(description="Null: all.")
    status: EndpointStatus
    paused_reason: str | None = strawberry.field(
        description="ASKED, GONE (it answered 410) or EXHAUSTED (every try of a delivery failed)."
    )
    failing_since: datetime | None
    delivered_at: datetime | None = strawberry.field(description="When it last took a delivery.")
    created_at: datetime
    key: strawberry.Private[UUID]
    channel_id: strawberry.Private[int | None]

    @strawberry.field
    async def channel(self, info: Info) -> Channel | None:
        row = await info.context.loaders.channel.get(self.channel_id) if self.channel_id else None
        return channel_of(row) if row else None

    @strawberry.field(description="Age of the oldest event that it has still to be told of; 0 where there is none.")
    async def lag_seconds(self, info: Info) -> int:
        return await info.context.loaders.lag_of_endpoint.get(self.key) or 0

    @strawberry.field(description="The log, newest first.")
    async def deliveries(
        self, info: Info, first: int | None = 20, after: str | None = None, status: DeliveryStatus | None = None
    ) -> DeliveryConnection:
        size = pages.check_first(20 if first is None else first)
        async with info.context.reading() as session:
            rows = await deliveries.page(
                session, self.key, before=pages.after_number(after), first=size + 1, status=status
            )
        page = pages.page(rows, first=size, after=after, key=lambda row: row["position"])
        return connect(DeliveryConnection, DeliveryEdge, page, delivery_of)  # type: ignore[no-any-return]


@strawberry.type
class EndpointPayload:
    endpoint: Endpoint | None = None
    secret: str | None = strawberry.field(default=None, description="Shown this once.")
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class DeliveryPayload:
    delivery: Delivery | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input(description="url: https://; types: the events to be told of, all where none are given.")
class EndpointInput:
    url: str
    types: list[str] | None = None
    channel: str | None = None


def event_of(row: Row) -> Event:
    told: dict[str, Any] = registry.present(row)
    return Event(
        id=strawberry.ID(told["id"]),
        type=told["type"],
        subject=strawberry.ID(told["subject"]),
        version=told["version"],
        at=row["at"],
        data=JSON(told["data"]),
    )


def edge_of(row: Row) -> EventEdge:
    return EventEdge(node=event_of(row), cursor=pages.cursor(row["position"]))


def endpoint_of(row: Row) -> Endpoint:
    return Endpoint(
        id=strawberry.ID(global_id("Endpoint", row["id"])),
        url=row["url"],
        types=row["types"],
        status=EndpointStatus(row["status"]),
        paused_reason=row["paused_reason"],
        failing_since=row["failing_since"],
        delivered_at=row["delivered_at"],
        created_at=row["created_at"],
        key=row["id"],
        channel_id=row["channel_id"],
    )


def delivery_of(row: Row) -> Delivery:
    event = {**row, "id": row["event_id"]}
    return Delivery(
        id=strawberry.ID(global_id("Delivery", row["id"])),
        event=event_of(event),
        attempts=row["attempts"],
        status=DeliveryStatus(row["status"]),
        response_code=row["response_code"],
        problem=row["problem"],
        next_attempt_at=row["next_at"],
        ended_at=row["ended_at"],
        first_version=row["first_version"],
        number=row["id"],
    )
