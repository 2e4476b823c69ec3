"""Transfers between locations: types and queries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from uriba.core import ids, pages
from uriba.core.ids import global_id
from uriba.db import Session
from uriba.graphql.catalog.types import Location, Variant, load_location, load_variant
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.permissions import RETAILER, query
from uriba.graphql.scalars import Node, PageInfo
from uriba.inventory import lookups, transfer_queries
from uriba.inventory.enums import TransferStatus
from uriba.inventory.transfer_receipts import Discrepancy

strawberry.enum(TransferStatus, name="StockTransferStatus", description="The status of a transfer.")
strawberry.enum(
    Discrepancy, name="TransferDiscrepancy", description="The reason why received units differ from the shipped ones."
)


@strawberry.type(description="Units of a variant in a transfer.")
class StockTransferLine:
    variant_key: strawberry.Private[int]
    quantity: int = strawberry.field(description="Planned units.")
    shipped: int
    received: int = strawberry.field(description="Received units, damaged ones included.")
    returned: int = strawberry.field(description="Units put back at the source by a cancellation.")
    discrepancy: Discrepancy | None = strawberry.field(
        description="The reason why received units differ from the shipped ones."
    )

    @strawberry.field
    async def variant(self, info: Info) -> Variant:
        return await load_variant(info, self.variant_key)


@strawberry.type(description="Goods that one location ships to another.")
class StockTransfer(Node):
    source_key: strawberry.Private[int]
    destination_key: strawberry.Private[int]
    id: strawberry.ID
    status: TransferStatus
    reference: str | None = strawberry.field(description="The caller's own reference.")
    reason: str | None = strawberry.field(description="The reason of the cancellation.")
    actor: str = strawberry.field(description="The caller that planned the transfer.")
    lines: list[StockTransferLine]
    created_at: datetime
    shipped_at: datetime | None
    closed_at: datetime | None = strawberry.field(description="When the transfer was received or cancelled.")

    @strawberry.field(name="from", description="The source.")
    async def source(self, info: Info) -> Location:
        return await load_location(info, self.source_key)

    @strawberry.field(name="to", description="The destination.")
    async def destination(self, info: Info) -> Location:
        return await load_location(info, self.destination_key)


def transfer_of(row: Mapping[str, Any]) -> StockTransfer:
    return StockTransfer(
        source_key=row["from_location_id"],
        destination_key=row["to_location_id"],
        id=strawberry.ID(global_id("StockTransfer", row["id"])),
        status=TransferStatus(row["status"]),
        reference=row["reference"],
        reason=row["reason"],
        actor=row["actor"],
        lines=[_line_of(line) for line in row["lines"]],
        created_at=row["created_at"],
        shipped_at=row["shipped_at"],
        closed_at=row["closed_at"],
    )


def _line_of(line: Mapping[str, Any]) -> StockTransferLine:
    return StockTransferLine(
        variant_key=line["variant_id"],
        quantity=line["quantity"],
        shipped=line["shipped"],
        received=line["received"],
        returned=line["returned"],
        discrepancy=Discrepancy(line["discrepancy"]) if line["discrepancy"] is not None else None,
    )


async def transfer_by_id(session: Session, id: str) -> StockTransfer | None:
    key = ids.uuid(id, "StockTransfer")
    row = (await transfer_queries.by_id(session, [key])).get(key) if key else None
    return transfer_of(row) if row else None


@strawberry.type
class StockTransferEdge:
    node: StockTransfer
    cursor: str


@strawberry.type
class StockTransferConnection:
    edges: list[StockTransferEdge]
    page_info: PageInfo


@strawberry.type
class TransferQueries:
    @query(RETAILER, "A transfer, by id. For terminals, apps and staff.")
    async def stock_transfer(self, info: Info, id: strawberry.ID) -> StockTransfer | None:
        async with info.context.reading() as session:
            return await transfer_by_id(session, id)

    @query(RETAILER, "Transfers from or to a location, newest first. For terminals, apps and staff.")
    async def stock_transfers(
        self,
        info: Info,
        first: int | None = 20,
        after: str | None = None,
        location: str | None = None,
        status: TransferStatus | None = None,
    ) -> StockTransferConnection:
        size = pages.check_first(20 if first is None else first)
        async with info.context.reading() as session:
            _, location_id = await lookups.filter_keys(session, location=location, skus=None)
            rows = await transfer_queries.newest(
                session, location_id=location_id, status=status, first=size, before=pages.after_key(after)
            )
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(StockTransferConnection, StockTransferEdge, page, transfer_of)  # type: ignore[no-any-return]
