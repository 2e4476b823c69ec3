"""Sync health and alerts as the API returns them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.alerts.enums import AlertKind, AlertStatus
from uriba.alerts.events import subject_id
from uriba.alerts.queries import AlertRecord
from uriba.connectors.enums import ConnectorStatus
from uriba.core import pages
from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Channel, Location, load_channel, load_location
from uriba.graphql.context import Info
from uriba.graphql.scalars import Node, PageInfo, UserError
from uriba.graphql.webhooks.types import Endpoint, endpoint_of
from uriba.health import channel_health, parity, terminal_health
from uriba.health.channel_health import ConnectorLag, EndpointLag
from uriba.health.feed_readers import ReaderLag
from uriba.webhooks.enums import EndpointStatus

strawberry.enum(
    AlertKind,
    description="TERMINAL_SILENT: a till has not synced for 15 minutes of its store's opening hours. ENDPOINT_PAUSED: "
    "deliveries to an endpoint failed until it was paused. FEED_LAG: events have waited for their position in the feed "
    "for more than 5 seconds. LOW_STOCK: a stock level fell to the threshold. SHORTAGES_OPEN: promised units have been "
    "missing for more than 15 minutes.",
)
strawberry.enum(AlertStatus, description="OPEN until the cause of the alert is gone.")


@strawberry.type(description="An alert for staff. Of one kind, one alert is open about a subject at a time.")
class Alert(Node):
    id: strawberry.ID
    kind: AlertKind
    status: AlertStatus
    subject: strawberry.ID = strawberry.field(
        description="Global id of the terminal, endpoint, stock level, location or feed concerned."
    )
    value: float = strawberry.field(description="The value measured when it opened: seconds, or units of stock.")
    threshold: float = strawberry.field(description="The value at which it opens.")
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_at: datetime | None = strawberry.field(description="When it was first acknowledged.")
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
    last_seen_at: datetime | None = strawberry.field(description="When it last accepted a delivery.")
    acknowledged: str = strawberry.field(description="A cursor of the feed: every delivery up to it was accepted.")
    lag_seconds: float = strawberry.field(description="Age of the oldest event that it still has to accept.")
    lag_events: int = strawberry.field(description="Events that it still has to accept.")
    failing_since: datetime | None


@strawberry.type(description="How far a connector has come; connectorDifferences lists the values that differ.")
class ConnectorHealth:
    code: str
    status: ConnectorStatus
    last_seen_at: datetime | None = strawberry.field(description="When it last ran.")
    acknowledged: str = strawberry.field(description="A cursor of the feed: the connector has read up to it.")
    lag_seconds: float = strawberry.field(description="Age of the oldest value that may differ from the hub's.")
    differing: int = strawberry.field(description="Values that may differ from the hub's.")
    problem: str | None


@strawberry.type(description="How far a key has read the feed.")
class FeedReaderHealth:
    key: str
    name: str | None
    last_seen_at: datetime
    acknowledged: str = strawberry.field(description="The last cursor that it asked after.")
    lag_seconds: float = strawberry.field(description="Age of the oldest event after that cursor.")
    lag_events: int
    expired: bool = strawberry.field(description="The feed has deleted the event that it has to read next.")


@strawberry.type(description="The endpoints, connectors and feed readers of a channel.")
class ChannelHealth:
    channel_id: strawberry.Private[int | None]
    endpoints: list[EndpointHealth]
    connectors: list[ConnectorHealth]
    readers: list[FeedReaderHealth]

    @strawberry.field(description="Null for the endpoints and keys of staff, which belong to no channel.")
    async def channel(self, info: Info) -> Channel | None:
        return None if self.channel_id is None else await load_channel(info, self.channel_id)


def channel_health_of(health: channel_health.ChannelHealth) -> ChannelHealth:
    return ChannelHealth(
        channel_id=health.channel_id,
        endpoints=[_endpoint_health_of(lag) for lag in health.endpoints],
        connectors=[_connector_health_of(lag) for lag in health.connectors],
        readers=[_reader_of(lag) for lag in health.readers],
    )


def _endpoint_health_of(lag: EndpointLag) -> EndpointHealth:
    return EndpointHealth(
        endpoint=endpoint_of(lag.endpoint),
        status=lag.endpoint.status,
        last_seen_at=lag.endpoint.delivered_at,
        acknowledged=pages.cursor(lag.acknowledged),
        lag_seconds=lag.lag_s,
        lag_events=lag.lag_events,
        failing_since=lag.endpoint.failing_since,
    )


def _connector_health_of(lag: ConnectorLag) -> ConnectorHealth:
    return ConnectorHealth(
        code=lag.code,
        status=lag.status,
        last_seen_at=lag.ran_at,
        acknowledged=pages.cursor(lag.acknowledged),
        lag_seconds=lag.lag_s,
        differing=lag.differing,
        problem=lag.problem,
    )


def _reader_of(lag: ReaderLag) -> FeedReaderHealth:
    return FeedReaderHealth(
        key=lag.key_id,
        name=lag.name,
        last_seen_at=lag.at,
        acknowledged=pages.cursor(lag.acknowledged),
        lag_seconds=lag.lag_s,
        lag_events=lag.lag_events,
        expired=lag.expired,
    )


@strawberry.type(description="How far a till has come.")
class TerminalHealth:
    terminal: str = strawberry.field(description="The id of its key.")
    name: str | None
    last_seen_at: datetime | None = strawberry.field(description="When it last synced; null: never.")
    epoch: int | None = strawberry.field(description="The newest epoch of its journal.")
    acknowledged: int = strawberry.field(description="Every sequence of that epoch up to this one is stored.")
    missing: int = strawberry.field(description="Sequences that are missing below the highest.")
    skew_ms: int = strawberry.field(description="How far its clock is ahead; 0 if it is right.")
    parked: int = strawberry.field(description="Events of the till that are parked for people to settle.")
    newest_fact_at: datetime | None = strawberry.field(description="When its newest event happened.")
    lag_seconds: float | None = strawberry.field(description="Age of that event.")
    silent_since: datetime | None = strawberry.field(
        description="Its last sync, if that is too long ago for the opening hours of its store."
    )
    location_id: strawberry.Private[int]

    @strawberry.field
    async def location(self, info: Info) -> Location:
        return await load_location(info, self.location_id)


def terminal_health_of(health: terminal_health.TerminalHealth) -> TerminalHealth:
    return TerminalHealth(
        terminal=health.key_id,
        name=health.name,
        last_seen_at=health.synced_at,
        epoch=health.epoch,
        acknowledged=health.acknowledged,
        missing=health.missing,
        skew_ms=health.skew_ms,
        parked=health.parked,
        newest_fact_at=health.newest_event_at,
        lag_seconds=health.lag_s,
        silent_since=health.silent_since,
        location_id=health.location_id,
    )


@strawberry.type
class TerminalHealthEdge:
    node: TerminalHealth
    cursor: str


@strawberry.type
class TerminalHealthConnection:
    edges: list[TerminalHealthEdge]
    page_info: PageInfo


@strawberry.type(description="A subject whose newest version an endpoint has not accepted.")
class ParityDifference:
    subject: strawberry.ID
    version: int = strawberry.field(description="The newest version that the endpoint has to receive.")
    delivered: int | None = strawberry.field(
        description="The newest version that it accepted, as far as the log goes back."
    )
    since: datetime = strawberry.field(description="When the first event was written that it has not accepted.")


@strawberry.type(description="The subjects of which an endpoint has not accepted the newest version.")
class EndpointParity:
    endpoint: Endpoint
    count: int = strawberry.field(description="The number of subjects that differ.")
    differences: list[ParityDifference] = strawberry.field(
        description="The first of them, those that differ longest first."
    )


def parity_of(found: parity.EndpointParity) -> EndpointParity:
    return EndpointParity(
        endpoint=endpoint_of(found.endpoint),
        count=found.count,
        differences=[_difference_of(difference) for difference in found.differences],
    )


def _difference_of(difference: parity.Difference) -> ParityDifference:
    return ParityDifference(
        subject=strawberry.ID(subject_id(difference.subject)),
        version=difference.version,
        delivered=difference.delivered,
        since=difference.since,
    )
