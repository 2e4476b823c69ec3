"""Sync health and alerts as the API shows them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.alerts.events import subject_id
from uriba.alerts.models import AlertKind, AlertStatus
from uriba.alerts.queries import AlertRecord
from uriba.connectors.models import ConnectorStatus
from uriba.core import pages
from uriba.core.ids import global_id
from uriba.db import Row
from uriba.graphql.catalog.types import Channel, Location, load_channel, load_location
from uriba.graphql.context import Info
from uriba.graphql.scalars import Node, PageInfo, UserError
from uriba.graphql.webhooks.types import Endpoint, endpoint_of
from uriba.health import parity, sync_health
from uriba.webhooks.endpoints import EndpointRecord
from uriba.webhooks.models import EndpointStatus

strawberry.enum(
    AlertKind,
    description="TERMINAL_SILENT: a till did not sync for 15 minutes of its store's opening hours. ENDPOINT_PAUSED: an "
    "endpoint was given up. FEED_LAG: events wait for their place for more than 5 seconds. LOW_STOCK: a level fell. "
    "SHORTAGES_OPEN: promised units are missing for more than 15 minutes.",
)
strawberry.enum(AlertStatus, description="OPEN until what it is about is well again.")


@strawberry.type(description="Something that people have to look at; one is open about a subject at a time.")
class Alert(Node):
    id: strawberry.ID
    kind: AlertKind
    status: AlertStatus
    subject: strawberry.ID = strawberry.field(
        description="The global id of the terminal, endpoint, stock level, location or feed that it is about."
    )
    value: float = strawberry.field(description="What was measured when it opened: seconds, or units of stock.")
    threshold: float
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_at: datetime | None = strawberry.field(description="When somebody said that they look after it.")
    acknowledged_by: str | None
    location_id: strawberry.Private[int | None]

    @strawberry.field
    async def location(self, info: Info) -> Location | None:
        return None if self.location_id is None else await load_location(info, self.location_id)


def alert_of(alert: AlertRecord) -> Alert:
    return Alert(
        id=strawberry.ID(global_id("Alert", alert.id)),
        kind=AlertKind(alert.kind),
        status=alert.status,
        subject=strawberry.ID(subject_id(alert.subject)),
        value=alert.value,
        threshold=alert.threshold,
        opened_at=alert.opened_at,
        closed_at=alert.closed_at,
        acknowledged_at=alert.acknowledged_at,
        acknowledged_by=alert.acknowledged_by,
        location_id=alert.location_id,
    )


@strawberry.type
class AlertEdge:
    node: Alert
    cursor: str


@strawberry.type
class AlertConnection:
    edges: list[AlertEdge]
    page_info: PageInfo


@strawberry.type
class AlertPayload:
    alert: Alert | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type(description="How far an endpoint has come.")
class EndpointHealth:
    endpoint: Endpoint
    status: EndpointStatus
    last_seen_at: datetime | None = strawberry.field(description="When it last took a delivery.")
    acknowledged: str = strawberry.field(description="A cursor of the feed: all before was taken.")
    lag_seconds: float = strawberry.field(description="Age of the oldest event that it has still to be told of.")
    lag_events: int = strawberry.field(description="Events that it has still to be told of.")
    failing_since: datetime | None


@strawberry.type(description="How far a connector has come; connectorDifferences says what differs.")
class ConnectorHealth:
    code: str
    status: ConnectorStatus
    last_seen_at: datetime | None = strawberry.field(description="When it last ran.")
    acknowledged: str = strawberry.field(description="A cursor of the feed: what came before was looked at.")
    lag_seconds: float = strawberry.field(description="Age of the oldest value that may differ from the book.")
    differing: int = strawberry.field(description="Values that may differ from the book.")
    problem: str | None


@strawberry.type(description="How far a key has read the feed.")
class FeedReaderHealth:
    key: str
    name: str | None
    last_seen_at: datetime
    acknowledged: str = strawberry.field(description="The last cursor that it asked after.")
    lag_seconds: float = strawberry.field(description="Age of the oldest event that comes after it.")
    lag_events: int
    expired: bool = strawberry.field(description="The feed no longer has what it has to read next.")


@strawberry.type(description="Everybody that a channel is told through, or that reads for it.")
class ChannelHealth:
    channel_id: strawberry.Private[int | None]
    endpoints: list[EndpointHealth]
    connectors: list[ConnectorHealth]
    readers: list[FeedReaderHealth]

    @strawberry.field(description="Null: staff's own.")
    async def channel(self, info: Info) -> Channel | None:
        return None if self.channel_id is None else await load_channel(info, self.channel_id)


def channel_health_of(found: sync_health.Channel) -> ChannelHealth:
    return ChannelHealth(
        channel_id=found.channel_id,
        endpoints=[_endpoint_health_of(row) for row in found.endpoints],
        connectors=[_connector_health_of(row) for row in found.connectors],
        readers=[_reader_of(row) for row in found.readers],
    )


def _endpoint_health_of(row: Row) -> EndpointHealth:
    return EndpointHealth(
        endpoint=endpoint_of(EndpointRecord.from_row(row)),
        status=EndpointStatus(row["status"]),
        last_seen_at=row["delivered_at"],
        acknowledged=pages.cursor(row["acknowledged"]),
        lag_seconds=row["lag_s"] or 0.0,
        lag_events=row["lag_events"],
        failing_since=row["failing_since"],
    )


def _connector_health_of(row: Row) -> ConnectorHealth:
    return ConnectorHealth(
        code=row["code"],
        status=ConnectorStatus(row["status"]),
        last_seen_at=row["ran_at"],
        acknowledged=pages.cursor(row["acknowledged"]),
        lag_seconds=row["lag_s"] or 0.0,
        differing=row["differing"],
        problem=row["problem"],
    )


def _reader_of(row: Row) -> FeedReaderHealth:
    return FeedReaderHealth(
        key=row["key_id"],
        name=row["name"],
        last_seen_at=row["at"],
        acknowledged=pages.cursor(row["acknowledged"]),
        lag_seconds=row["lag_s"] or 0.0,
        lag_events=row["lag_events"],
        expired=row["expired"],
    )


@strawberry.type(description="How far a till has come.")
class TerminalHealth:
    terminal: str = strawberry.field(description="The id of its key.")
    name: str | None
    last_seen_at: datetime | None = strawberry.field(description="When it last synced; null: never.")
    epoch: int | None = strawberry.field(description="Its newest.")
    acknowledged: int = strawberry.field(description="Every sequence of that epoch up to here is safe.")
    missing: int = strawberry.field(description="Gaps below the highest sequence.")
    skew_ms: int = strawberry.field(description="How far its clock is ahead; 0 where it is right.")
    parked: int = strawberry.field(description="Facts of it that people have to look at.")
    newest_fact_at: datetime | None = strawberry.field(description="When the newest fact of it happened.")
    lag_seconds: float | None = strawberry.field(description="Age of that fact.")
    silent_since: datetime | None = strawberry.field(
        description="Its last sync, where that is too long ago for the opening hours of its store."
    )
    location_id: strawberry.Private[int]

    @strawberry.field
    async def location(self, info: Info) -> Location:
        return await load_location(info, self.location_id)


def terminal_health_of(found: sync_health.Terminal) -> TerminalHealth:
    row = found.row
    return TerminalHealth(
        terminal=row["key_id"],
        name=row["name"],
        last_seen_at=row["synced_at"],
        epoch=row["epoch"],
        acknowledged=row["acknowledged"] or 0,
        missing=row["missing"],
        skew_ms=row["skew_ms"] or 0,
        parked=row["parked"],
        newest_fact_at=row["newest_fact_at"],
        lag_seconds=row["lag_s"],
        silent_since=found.silent_since,
        location_id=row["location_id"],
    )


@strawberry.type
class TerminalHealthEdge:
    node: TerminalHealth
    cursor: str


@strawberry.type
class TerminalHealthConnection:
    edges: list[TerminalHealthEdge]
    page_info: PageInfo


@strawberry.type(description="A subject whose newest version an endpoint has not taken.")
class ParityDifference:
    subject: strawberry.ID
    version: int = strawberry.field(description="The newest in the book that the endpoint is to be told of.")
    delivered: int | None = strawberry.field(description="The newest that it took, as far as the log goes back.")
    since: datetime = strawberry.field(description="When the first event happened that it has not taken.")


@strawberry.type(description="What an endpoint has taken against the book.")
class EndpointParity:
    endpoint: Endpoint
    count: int = strawberry.field(description="Subjects that differ, all of them.")
    differences: list[ParityDifference] = strawberry.field(description="The longest first.")


def parity_of(found: parity.Parity) -> EndpointParity:
    return EndpointParity(
        endpoint=endpoint_of(EndpointRecord.from_row(found.endpoint)),
        count=found.count,
        differences=[_difference_of(row) for row in found.differences],
    )


def _difference_of(row: Row) -> ParityDifference:
    return ParityDifference(
        subject=strawberry.ID(subject_id(row["subject"])),
        version=row["version"],
        delivered=row["delivered"],
        since=row["since"],
    )
