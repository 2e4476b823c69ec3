"""Types of stock levels and movements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import strawberry

from uriba.core import pages
from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Location, Variant, load_location, load_variant
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.inventory import explain
from uriba.graphql.inventory.explain import StockStateUnits, StockTerm
from uriba.graphql.scalars import Node, PageInfo
from uriba.inventory import queries
from uriba.inventory.enums import StockReason, StockState

strawberry.enum(StockReason, description="The reason of a movement.")


@strawberry.type(description="One line of the append-only ledger. A level is the sum of its movements.")
class StockMovement(Node):
    id: strawberry.ID
    reason: StockReason
    quantity: int = strawberry.field(description="The reported number: units moved, or units counted.")
    on_hand_delta: int
    committed_delta: int
    reserved_delta: int
    unavailable_delta: int
    incoming_delta: int
    state: StockState | None = strawberry.field(description="Which units became unavailable, or fit for sale again.")
    reference: str | None = strawberry.field(description="The order, cart, count or change that caused it.")
    actor: str = strawberry.field(description="The caller that caused it.")
    occurred_at: datetime
    recorded_at: datetime


def movement_of(row: Mapping[str, Any]) -> StockMovement:
    return StockMovement(
        id=strawberry.ID(global_id("StockMovement", row["id"])),
        reason=StockReason(row["reason"]),
        quantity=row["quantity"],
        on_hand_delta=row["on_hand_delta"],
        committed_delta=row["committed_delta"],
        reserved_delta=row["reserved_delta"],
        unavailable_delta=row["unavailable_delta"],
        incoming_delta=row["incoming_delta"],
        state=StockState(row["state"]) if row["state"] is not None else None,
        reference=row["reference"],
        actor=row["actor"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
    )


@strawberry.type
class StockMovementEdge:
    node: StockMovement
    cursor: str


@strawberry.type
class StockMovementConnection:
    edges: list[StockMovementEdge]
    page_info: PageInfo


@strawberry.type(description="One variant at one location, in units.")
class StockLevel(Node):
    variant_key: strawberry.Private[int]
    location_key: strawberry.Private[int]
    as_of: strawberry.Private[datetime | None]
    id: strawberry.ID
    on_hand: int = strawberry.field(description="Physically there.")
    committed: int = strawberry.field(description="Promised to placed orders, not handed over yet.")
    reserved: int = strawberry.field(description="Held for carts that are being paid.")
    unavailable: int = strawberry.field(description="Damaged, on display, in inspection.")
    safety_stock: int = strawberry.field(description="Kept back from all but the location's own terminals.")
    incoming: int = strawberry.field(description="On the way here in transfers.")
    available: int = strawberry.field(description="onHand - unavailable - committed - reserved - safetyStock.")
    shortage: int = strawberry.field(description="Promised units that are not there any more, not settled yet.")
    updated_at: datetime

    @strawberry.field
    async def variant(self, info: Info) -> Variant:
        return await load_variant(info, self.variant_key)

    @strawberry.field
    async def location(self, info: Info) -> Location:
        return await load_location(info, self.location_key)

    @strawberry.field(description="The units that are unavailable, by state.")
    async def unavailable_by_state(self, info: Info) -> list[StockStateUnits]:
        return await explain.states(info, (self.variant_key, self.location_key), self.as_of)

    @strawberry.field(description="The terms that add up to available, read at one moment.")
    async def explain(self, info: Info) -> list[StockTerm]:
        return await explain.terms(info, (self.variant_key, self.location_key), vars(self), self.as_of)

    @strawberry.field(description="Newest first.")
    async def movements(self, info: Info, first: int | None = 20, after: str | None = None) -> StockMovementConnection:
        size = pages.check_first(20 if first is None else first)
        async with info.context.reading() as session:
            rows = await queries.movements(
                session,
                variant_id=self.variant_key,
                location_id=self.location_key,
                first=size,
                before=pages.after_number(after),
            )
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(StockMovementConnection, StockMovementEdge, page, movement_of)  # type: ignore[no-any-return]


def level_of(row: Mapping[str, Any], *, as_of: datetime | None = None) -> StockLevel:
    """Return a level as it is, or as the hub knew it at a time."""
    return StockLevel(
        variant_key=row["variant_id"],
        location_key=row["location_id"],
        as_of=as_of,
        id=strawberry.ID(global_id("StockLevel", queries.level_key(row))),
        on_hand=row["on_hand"],
        committed=row["committed"],
        reserved=row["reserved"],
        unavailable=row["unavailable"],
        safety_stock=row["safety_stock"],
        incoming=row["incoming"],
        available=row["available"],
        shortage=row["shortage"],
        updated_at=row["updated_at"],
    )


@strawberry.type
class StockLevelEdge:
    node: StockLevel
    cursor: str


@strawberry.type
class StockLevelConnection:
    edges: list[StockLevelEdge]
    page_info: PageInfo


async def page_of_levels(
    info: Info, *, variant_ids: Sequence[int] | None, location_id: int | None, first: int, after: str | None
) -> StockLevelConnection:
    size = pages.check_first(first)
    key = pages.after_key(after)
    async with info.context.reading() as session:
        rows = await queries.levels(
            session,
            variant_ids=variant_ids,
            location_id=location_id,
            first=size,
            after=queries.split_level_key(key) if key is not None else None,
        )
    page = pages.page(rows, first=size, after=after, key=queries.level_key)
    return connect(StockLevelConnection, StockLevelEdge, page, level_of)  # type: ignore[no-any-return]
