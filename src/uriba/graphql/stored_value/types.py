"""The types of gift cards and points."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from uriba.core import ids, pages
from uriba.core.ids import global_id
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.permissions import CUSTOMERS_SCOPE, query
from uriba.graphql.scalars import Money, Node, PageInfo, money_of
from uriba.stored_value import queries
from uriba.stored_value.enums import CardEntryKind, PointsEntryKind
from uriba.stored_value.queries import CardEntryRecord, GiftCardRecord, PointsEntryRecord

if TYPE_CHECKING:
    from uriba.graphql.orders.types import Order

KIND = "GiftCard"

OrderField = Annotated["Order", strawberry.lazy("uriba.graphql.orders.types")]

GiftCardEntryKind = strawberry.enum(
    CardEntryKind,
    name="GiftCardEntryKind",
    description="Why a balance changed. GIVE_BACK: the checkout that it paid placed no order.",
)
PointsKind = strawberry.enum(
    PointsEntryKind,
    name="PointsEntryKind",
    description="Why points changed. REVERSE: points earned with an order were taken back after a refund. "
    "GIVE_BACK: the checkout that they paid placed no order.",
)


async def _order(info: Info, order_id: UUID | None) -> Order | None:
    """Return the order of an entry; None if it was not placed, or the caller may not see it."""
    from uriba.graphql.orders.types import order_of

    row = await info.context.loaders.order.get(order_id) if order_id else None
    return order_of(row) if row else None


@strawberry.type(description="An entry of a gift card's ledger.")
class GiftCardEntry:
    order_key: strawberry.Private[UUID | None]
    kind: GiftCardEntryKind  # type: ignore[valid-type]
    amount: Money = strawberry.field(description="Negative if the balance went down.")
    reference: str | None = strawberry.field(description="The reason of an adjustment.")
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


@strawberry.type(description="Prepaid money. It pays with the method GIFT_CARD and its code as the token.")
class GiftCard(Node):
    key: strawberry.Private[UUID]
    id: strawberry.ID
    last4: str = strawberry.field(description="The last four characters of its code. The hub does not store the rest.")
    balance: Money
    expires_at: datetime | None
    blocked: bool
    created_at: datetime

    @query(CUSTOMERS_SCOPE, "The card's ledger, newest first. For apps with the scope customers, and staff.")
    async def entries(self, info: Info, first: int | None = 20, after: str | None = None) -> GiftCardEntryConnection:
        size = pages.check_first(20 if first is None else first)
        async with info.context.reading() as session:
            entries = await queries.card_entries(session, self.key, first=size, before=pages.after_number(after))
        page = pages.page(entries, first=size, after=after, key=lambda entry: entry.id)
        return connect(GiftCardEntryConnection, GiftCardEntryEdge, page, _card_entry)  # type: ignore[no-any-return]


def gift_card_of(card: GiftCardRecord) -> GiftCard:
    """Return the API's object of a gift card."""
    return GiftCard(
        key=card.id,
        id=strawberry.ID(global_id(KIND, card.id)),
        last4=card.last4,
        balance=money_of(card.balance_minor, card.currency),
        expires_at=card.expires_at,
        blocked=card.blocked_at is not None,
        created_at=card.created_at,
    )


async def gift_card_by_id(info: Info, id: str) -> GiftCard | None:
    """Return a gift card by its global id, to callers that may manage gift cards."""
    key = ids.uuid(id, KIND)
    if key is None or not CUSTOMERS_SCOPE.allows(info.context.actor):
        return None
    async with info.context.reading() as session:
        card = (await queries.cards_by_id(session, [key])).get(key)
    return gift_card_of(card) if card else None


def _card_entry(entry: CardEntryRecord) -> GiftCardEntry:
    return GiftCardEntry(
        order_key=entry.order_id,
        kind=entry.kind,
        amount=money_of(entry.amount_minor, entry.currency),
        reference=entry.reference,
        actor=entry.actor,
        at=entry.at,
    )


@strawberry.type(description="An entry of a customer's points ledger.")
class PointsEntry:
    order_key: strawberry.Private[UUID | None]
    kind: PointsKind  # type: ignore[valid-type]
    points: int = strawberry.field(description="Negative if the balance went down.")
    reference: str | None = strawberry.field(description="The reason of an adjustment.")
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
    """Return a page of a customer's points ledger."""
    size = pages.check_first(first)
    async with info.context.reading() as session:
        entries = await queries.points_entries(session, customer_id, first=size, before=pages.after_number(after))
    page = pages.page(entries, first=size, after=after, key=lambda entry: entry.id)
    return connect(PointsEntryConnection, PointsEntryEdge, page, _points_entry)  # type: ignore[no-any-return]


def _points_entry(entry: PointsEntryRecord) -> PointsEntry:
    return PointsEntry(
        order_key=entry.order_id,
        kind=entry.kind,
        points=entry.points,
        reference=entry.reference,
        actor=entry.actor,
        at=entry.at,
    )
