"""The types of gift cards and points."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from uriba.core import ids, pages
from uriba.core.ids import global_id
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.permissions import CUSTOMERS_SCOPE, query
from uriba.graphql.scalars import Money, Node, PageInfo, money_of
from uriba.stored_value import queries
from uriba.stored_value.models import CardEntryKind, PointsEntryKind

if TYPE_CHECKING:
    from uriba.graphql.orders.types import Order

KIND = "GiftCard"

OrderField = Annotated["Order", strawberry.lazy("uriba.graphql.orders.types")]

GiftCardEntryKind = strawberry.enum(
    CardEntryKind,
    name="GiftCardEntryKind",
    description="Why a balance changed. GIVE_BACK: the checkout came to nothing.",
)
PointsKind = strawberry.enum(
    PointsEntryKind,
    name="PointsEntryKind",
    description="Why points changed. REVERSE: what was earned for goods that came back; "
    "GIVE_BACK: the checkout came to nothing.",
)


async def _order(info: Info, order_id: UUID | None) -> Order | None:
    """The order of an entry; none where it was not made, or is not the caller's."""
    from uriba.graphql.orders.types import order_of

    row = await info.context.loaders.order.get(order_id) if order_id else None
    return order_of(row) if row else None


@strawberry.type(description="A line of a gift card's ledger.")
class GiftCardEntry:
    order_key: strawberry.Private[UUID | None]
    kind: GiftCardEntryKind  # type: ignore[valid-type]
    amount: Money = strawberry.field(description="Below zero where it was taken.")
    reference: str | None = strawberry.field(description="Why it was adjusted.")
    actor: str
    at: datetime

    @strawberry.field
    async def order(self, info: Info) -> OrderField | None:
        return await _order(info, self.order_key)


@strawberry.type
class GiftCardEntryEdge:
    node: GiftCardEntry
    cursor: str


@strawberry.type
class GiftCardEntryConnection:
    edges: list[GiftCardEntryEdge]
    page_info: PageInfo


@strawberry.type(description="Money that was paid before; it pays as GIFT_CARD, with its code as the token.")
class GiftCard(Node):
    key: strawberry.Private[UUID]
    id: strawberry.ID
    last4: str = strawberry.field(description="The end of its code; the hub does not know the rest.")
    balance: Money
    expires_at: datetime | None
    blocked: bool
    created_at: datetime

    @query(CUSTOMERS_SCOPE, "Newest first. For apps with the scope customers, and staff.")
    async def entries(self, info: Info, first: int | None = 20, after: str | None = None) -> GiftCardEntryConnection:
        size = pages.check_first(20 if first is None else first)
        async with info.context.reading() as session:
            rows = await queries.card_entries(session, self.key, first=size, before=pages.after_number(after))
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(GiftCardEntryConnection, GiftCardEntryEdge, page, _card_entry)  # type: ignore[no-any-return]


def card_of(row: Mapping[str, Any]) -> GiftCard:
    return GiftCard(
        key=row["id"],
        id=strawberry.ID(global_id(KIND, row["id"])),
        last4=row["last4"],
        balance=money_of(row["balance_minor"], row["currency"]),
        expires_at=row["expires_at"],
        blocked=row["blocked_at"] is not None,
        created_at=row["created_at"],
    )


async def card_by_id(info: Info, id: str) -> GiftCard | None:
    """A card by its global id, for who may look after cards."""
    key = ids.uuid(id, KIND)
    if key is None or not CUSTOMERS_SCOPE.allows(info.context.actor):
        return None
    async with info.context.reading() as session:
        row = (await queries.cards(session, [key])).get(key)
    return card_of(row) if row else None


def _card_entry(row: Mapping[str, Any]) -> GiftCardEntry:
    return GiftCardEntry(
        order_key=row["order_id"],
        kind=CardEntryKind(row["kind"]),
        amount=money_of(row["amount_minor"], row["currency"]),
        reference=row["reference"],
        actor=row["actor"],
        at=row["at"],
    )


@strawberry.type(description="A line of a customer's points.")
class PointsEntry:
    order_key: strawberry.Private[UUID | None]
    kind: PointsKind  # type: ignore[valid-type]
    points: int = strawberry.field(description="Below zero where they were taken.")
    reference: str | None = strawberry.field(description="Why they were adjusted.")
    actor: str
    at: datetime

    @strawberry.field
    async def order(self, info: Info) -> OrderField | None:
        return await _order(info, self.order_key)


@strawberry.type
class PointsEntryEdge:
    node: PointsEntry
    cursor: str


@strawberry.type
class PointsEntryConnection:
    edges: list[PointsEntryEdge]
    page_info: PageInfo


async def page_of_points(info: Info, customer_id: UUID, *, first: int, after: str | None) -> PointsEntryConnection:
    size = pages.check_first(first)
    async with info.context.reading() as session:
        rows = await queries.points_entries(session, customer_id, first=size, before=pages.after_number(after))
    page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
    return connect(PointsEntryConnection, PointsEntryEdge, page, _points_entry)  # type: ignore[no-any-return]


def _points_entry(row: Mapping[str, Any]) -> PointsEntry:
    return PointsEntry(
        order_key=row["order_id"],
        kind=PointsEntryKind(row["kind"]),
        points=row["points"],
        reference=row["reference"],
        actor=row["actor"],
        at=row["at"],
    )
