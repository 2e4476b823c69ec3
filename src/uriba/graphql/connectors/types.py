"""Connectors, their reports, and what their channels were told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from uriba.connectors import runs
from uriba.connectors.models import ConnectorKind, ConnectorStatus, ValueKind
from uriba.connectors.sent_values import Difference
from uriba.core import pages
from uriba.core.ids import global_id
from uriba.core.money import to_decimal
from uriba.db import Row
from uriba.graphql.catalog.types import Channel, channel_of
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.scalars import PageInfo, UserError

KIND = "Connector"

strawberry.enum(
    ConnectorKind,
    description="FILE: a folder of its own, which somebody serves. REST: requests to a base URL.",
)
strawberry.enum(
    ConnectorStatus,
    description="ACTIVE, RETRYING after a run that failed, or PAUSED by whoever asked for it.",
)
strawberry.enum(
    ValueKind,
    name="ConnectorValueKind",
    description="What a channel is told of a SKU: units that may be promised, or the price.",
)


@strawberry.type(description="A row or an order that was not taken, with the reason.")
class ConnectorRefusal:
    kind: str = strawberry.field(description="AVAILABILITY, PRICE or ORDER.")
    subject: str | None = strawberry.field(description="The SKU, or the order's number at the channel.")
    code: str
    message: str


@strawberry.type(description="The report of a run.")
class ConnectorRun:
    began_at: datetime
    ended_at: datetime | None = strawberry.field(description="Null while it runs.")
    seen: int = strawberry.field(description="Values that were looked at because they might differ.")
    sent: int
    accepted: int
    attempts: int = strawberry.field(description="Requests or files, tries that failed too.")
    orders_read: int
    orders_placed: int
    refused_count: int
    refused: list[ConnectorRefusal] = strawberry.field(description="The first hundred.")
    next_run_at: datetime | None
    problem: str | None = strawberry.field(
        description="Why it ended before its work did, such as TIMEOUT or HTTP 503; INTERRUPTED: its worker ended."
    )


@strawberry.type
class ConnectorRunEdge:
    node: ConnectorRun
    cursor: str


@strawberry.type
class ConnectorRunConnection:
    edges: list[ConnectorRunEdge]
    page_info: PageInfo


@strawberry.type(description="How a channel is written to, and its orders are fetched.")
class Connector:
    id: strawberry.ID
    code: str = strawberry.field(description="Names its folder below the setting connector_dir where it is of FILE.")
    kind: ConnectorKind
    status: ConnectorStatus
    url: str | None
    has_token: bool
    every_seconds: int
    problem: str | None = strawberry.field(description="Of its last run.")
    last_run_at: datetime | None
    next_run_at: datetime
    created_at: datetime
    lag_seconds: int = strawberry.field(description="Age of the oldest value that the channel may not have.")
    open: int = strawberry.field(description="Values that the channel may not have.")
    refused: int = strawberry.field(description="Of these, what it would not take; they are tried again.")
    key: strawberry.Private[UUID]
    channel_id: strawberry.Private[int]

    @strawberry.field
    async def channel(self, info: Info) -> Channel:
        row = await info.context.loaders.channel.get(self.channel_id)
        assert row is not None
        return channel_of(row)

    @strawberry.field(description="Reports, newest first; runs that had nothing to do leave none.")
    async def runs(self, info: Info, first: int | None = 20, after: str | None = None) -> ConnectorRunConnection:
        size = pages.check_first(20 if first is None else first)
        async with info.context.reading() as session:
            rows = await runs.of(session, self.key, before=pages.after_number(after), first=size + 1)
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(ConnectorRunConnection, ConnectorRunEdge, page, _run)  # type: ignore[no-any-return]


@strawberry.type(description="What a channel was told of a SKU, where it is not what the book has.")
class ConnectorDifference:
    sku: str
    kind: ValueKind
    told: str | None = strawberry.field(description="Units, or an amount in major units. Null: nothing yet.")
    book: str
    in_doubt: bool = strawberry.field(description="Something else was sent, and nobody knows whether it was taken.")
    refused: ConnectorRefusal | None = strawberry.field(description="Why it was not taken.")


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


@strawberry.input(description="url and token are of REST.")
class ConnectorInput:
    code: str
    kind: ConnectorKind
    channel: str | None = None
    url: str | None = strawberry.field(default=None, description="The base of its paths, https://.")
    token: str | None = strawberry.field(default=None, description="Sent as a bearer token, and never shown again.")
    every_seconds: int = 30


@strawberry.input(description="What is left out stays as it is.")
class ConnectorUpdateInput:
    id: strawberry.ID
    url: str | None = None
    token: str | None = None
    every_seconds: int | None = None
    paused: bool | None = None


def connector_of(row: Row, lag: Mapping[str, Any] | None) -> Connector:
    return Connector(
        id=strawberry.ID(global_id(KIND, row["id"])),
        code=row["code"],
        kind=ConnectorKind(row["kind"]),
        status=ConnectorStatus(row["status"]),
        url=row["url"],
        has_token=row["token"] is not None,
        every_seconds=row["every_s"],
        problem=row["problem"],
        last_run_at=row["ran_at"],
        next_run_at=row["next_at"],
        created_at=row["created_at"],
        lag_seconds=lag["lag_s"] if lag else 0,
        open=lag["open"] if lag else 0,
        refused=lag["refused"] if lag else 0,
        key=row["id"],
        channel_id=row["channel_id"],
    )


def _run(row: Row) -> ConnectorRun:
    return ConnectorRun(
        began_at=row["began_at"],
        ended_at=row["ended_at"],
        seen=row["seen"],
        sent=row["sent"],
        accepted=row["accepted"],
        attempts=row["attempts"],
        orders_read=row["orders_read"],
        orders_placed=row["orders_placed"],
        refused_count=row["refused_count"],
        refused=[ConnectorRefusal(**one) for one in row["refused"]],
        next_run_at=row["next_at"],
        problem=row["problem"],
    )


def difference_of(found: Difference, currency: str) -> ConnectorDifference:
    def shown(value: int) -> str:
        return to_decimal(value, currency) if found.kind is ValueKind.PRICE else str(value)

    refused = None
    if found.refused_code is not None:
        refused = ConnectorRefusal(
            kind=found.kind, subject=found.sku, code=found.refused_code, message=found.refused_message or ""
        )
    return ConnectorDifference(
        sku=found.sku,
        kind=found.kind,
        told=None if found.told is None else shown(found.told),
        book=shown(found.value),
        in_doubt=found.doubt,
        refused=refused,
    )
