"""GraphQL types of connectors, their runs, and differences between sent and current values."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from uriba.connectors import run_records
from uriba.connectors.connector_records import ConnectorRecord
from uriba.connectors.connectors import ConnectorLag, DifferencePage
from uriba.connectors.enums import ConnectorKind, ConnectorStatus, ValueKind
from uriba.connectors.run_records import RunRecord
from uriba.connectors.run_report import ReportedRefusal
from uriba.connectors.sent_values import Difference
from uriba.core import pages
from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Channel, channel_of
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.scalars import PageInfo, UserError

KIND = "Connector"

strawberry.enum(
    ConnectorKind,
    description="FILE: files in a folder. REST: requests to a base URL.",
)
strawberry.enum(
    ConnectorStatus,
    description="ACTIVE: the last run succeeded. RETRYING: it failed. PAUSED: it does not run until resumed.",
)
strawberry.enum(
    ValueKind,
    name="ConnectorValueKind",
    description="A value of a SKU that a channel is sent: the units that it may promise, or the price.",
)


@strawberry.type(description="A value or an order that was refused, and why.")
class ConnectorRefusal:
    kind: str = strawberry.field(description="AVAILABILITY, PRICE or ORDER.")
    subject: str | None = strawberry.field(description="The SKU, or the order's number at the channel.")
    code: str
    message: str


@strawberry.type(description="The report of a run.")
class ConnectorRun:
    began_at: datetime
    ended_at: datetime | None = strawberry.field(description="Null while it runs.")
    seen: int = strawberry.field(description="Values that were compared because they may have changed.")
    sent: int
    accepted: int
    attempts: int = strawberry.field(description="Requests or files, including failed attempts.")
    orders_read: int
    orders_placed: int
    refused_count: int
    refused: list[ConnectorRefusal] = strawberry.field(description="The first hundred.")
    next_run_at: datetime | None
    problem: str | None = strawberry.field(
        description="Why the run failed, such as TIMEOUT or HTTP 503. INTERRUPTED: its worker ended."
    )


@strawberry.type
class ConnectorRunEdge:
    node: ConnectorRun
    cursor: str


@strawberry.type
class ConnectorRunConnection:
    edges: list[ConnectorRunEdge]
    page_info: PageInfo


@strawberry.type(description="Pushes values to a channel that does not receive webhooks, and imports its orders.")
class Connector:
    id: strawberry.ID
    code: str = strawberry.field(description="Also the name of the folder of a FILE connector.")
    kind: ConnectorKind
    status: ConnectorStatus
    url: str | None
    has_token: bool
    every_seconds: int
    problem: str | None = strawberry.field(description="Why the last run failed. Null if it succeeded.")
    last_run_at: datetime | None
    next_run_at: datetime
    created_at: datetime
    lag_seconds: int = strawberry.field(description="The age of the oldest value that the channel may not have.")
    open: int = strawberry.field(description="Values that the channel may not have.")
    refused: int = strawberry.field(description="How many of them were refused. They are sent again later.")
    key: strawberry.Private[UUID]
    channel_id: strawberry.Private[int]

    @strawberry.field
    async def channel(self, info: Info) -> Channel:
        row = await info.context.loaders.channel.get(self.channel_id)
        assert row is not None
        return channel_of(row)

    @strawberry.field(description="The reports of runs, newest first. A run that had nothing to do leaves none.")
    async def runs(self, info: Info, first: int | None = 20, after: str | None = None) -> ConnectorRunConnection:
        size = pages.check_first(20 if first is None else first)
        async with info.context.reading() as session:
            found = await run_records.of_connector(session, self.key, before=pages.after_number(after), first=size + 1)
        page = pages.page(found, first=size, after=after, key=lambda run: run.id)
        return connect(ConnectorRunConnection, ConnectorRunEdge, page, _run_of)  # type: ignore[no-any-return]


@strawberry.type(description="A sent value of a SKU that is not the current one.")
class ConnectorDifference:
    sku: str
    kind: ValueKind
    told: str | None = strawberry.field(
        description="What the channel was sent: units, or an amount in major units. Null: nothing yet."
    )
    book: str = strawberry.field(description="The current value.")
    in_doubt: bool = strawberry.field(description="Another value was sent, and its acceptance is unknown.")
    refused: ConnectorRefusal | None = strawberry.field(description="Why the value was refused.")


@strawberry.type
class ConnectorDifferenceEdge:
    node: ConnectorDifference
    cursor: str


@strawberry.type
class ConnectorDifferenceConnection:
    edges: list[ConnectorDifferenceEdge]
    page_info: PageInfo


@strawberry.type
class ConnectorPayload:
    connector: Connector | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input(description="`url` and `token` are for REST.")
class ConnectorInput:
    code: str
    kind: ConnectorKind
    channel: str | None = None
    url: str | None = strawberry.field(default=None, description="The base URL, which begins with https://.")
    token: str | None = strawberry.field(default=None, description="Sent as a bearer token. It is never shown again.")
    every_seconds: int = 30


@strawberry.input(description="Fields that are left out stay as they are.")
class ConnectorUpdateInput:
    id: strawberry.ID
    url: str | None = None
    token: str | None = None
    every_seconds: int | None = None
    paused: bool | None = None


def connector_of(connector: ConnectorRecord, lag: ConnectorLag) -> Connector:
    return Connector(
        id=strawberry.ID(global_id(KIND, connector.id)),
        code=connector.code,
        kind=connector.kind,
        status=connector.status,
        url=connector.url,
        has_token=connector.token is not None,
        every_seconds=connector.every_s,
        problem=connector.problem,
        last_run_at=connector.ran_at,
        next_run_at=connector.next_at,
        created_at=connector.created_at,
        lag_seconds=lag.seconds,
        open=lag.open,
        refused=lag.refused,
        key=connector.id,
        channel_id=connector.channel_id,
    )


def _run_of(run: RunRecord) -> ConnectorRun:
    return ConnectorRun(
        began_at=run.began_at,
        ended_at=run.ended_at,
        seen=run.seen,
        sent=run.sent,
        accepted=run.accepted,
        attempts=run.attempts,
        orders_read=run.orders_read,
        orders_placed=run.orders_placed,
        refused_count=run.refused_count,
        refused=[_refusal_of(refusal) for refusal in run.refused],
        next_run_at=run.next_at,
        problem=run.problem,
    )


def _refusal_of(refusal: ReportedRefusal) -> ConnectorRefusal:
    return ConnectorRefusal(kind=refusal.kind, subject=refusal.subject, code=refusal.code, message=refusal.message)


def difference_page_of(page: DifferencePage, *, begun: bool) -> ConnectorDifferenceConnection:
    edges = [
        ConnectorDifferenceEdge(node=_difference_of(one), cursor=pages.cursor(one.variant_id))
        for one in page.differences
    ]
    return ConnectorDifferenceConnection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=page.more,
            has_previous_page=begun,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=None if page.end is None else pages.cursor(page.end),
        ),
    )


def _difference_of(found: Difference) -> ConnectorDifference:
    refused = None
    if found.refused_code is not None:
        refused = ConnectorRefusal(
            kind=found.kind, subject=found.sku, code=found.refused_code, message=found.refused_message or ""
        )
    return ConnectorDifference(
        sku=found.sku,
        kind=found.kind,
        told=found.sent_text,
        book=found.current_text,
        in_doubt=found.in_doubt,
        refused=refused,
    )
