"""The entries that a till pulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import strawberry

from uriba.core.ids import global_id
from uriba.graphql.catalog.types import Location, load_location
from uriba.graphql.context import Info
from uriba.graphql.permissions import TERMINAL, query
from uriba.graphql.scalars import DecimalString, Money, money_of
from uriba.pos import pull
from uriba.pos.pull import PullEntry, PullEntryKind

strawberry.enum(PullEntryKind, name="PosEntryKind", description="The kind of an entry.")


@strawberry.type(description="A price with its validity. Of several valid prices the first one applies.")
class PosPrice:
    amount: Money = strawberry.field(description="The price to print, tax included.")
    channel: str | None = strawberry.field(description="Null: in every channel.")
    location: str | None = strawberry.field(description="Null: at every location.")
    valid_from: datetime | None
    valid_to: datetime | None


@strawberry.type(description="A variant with all prices that are valid here now or later, the best first.")
class PosVariant:
    sku: str
    barcode: str | None
    name: str
    tax_class: str
    discontinued: bool
    prices: list[PosPrice]


@strawberry.type(description="The store's stock level of a variant, in units.")
class PosStock:
    on_hand: int
    available: int
    committed: int
    reserved: int
    unavailable: int
    safety_stock: int
    version: int


@strawberry.type
class PosTax:
    tax_class: str
    rate: DecimalString


@strawberry.type(description="An open cart that the store has claimed or created.")
class PosCart:
    id: strawberry.ID
    version: int
    quantity: int


@strawberry.type(description="The state of one thing. It replaces the till's entry of this kind and key.")
class PosEntry:
    kind: PullEntryKind
    key: str = strawberry.field(description="The SKU, or the name of a set, of which a till has one each.")
    variant: PosVariant | None = None
    stock: PosStock | None = None
    taxes: list[PosTax] | None = strawberry.field(default=None, description="All tax rates of the store's channel.")
    carts: list[PosCart] | None = strawberry.field(default=None, description="All open carts of the store.")
    revocations: list[str] | None = strawberry.field(
        default=None, description="The ids of the store's terminal keys that were revoked."
    )


@strawberry.type
class PosPullPage:
    entries: list[PosEntry]
    cursor: str = strawberry.field(description="Store it together with the entries, and send it with the next pull.")
    more: bool = strawberry.field(description="Whether there are more entries now.")

    @strawberry.field(description="The terminal's own location.")
    async def location(self, info: Info) -> Location:
        key = info.context.actor.location_id
        assert key is not None
        return await load_location(info, key)


@strawberry.type
class PosPullQueries:
    @query(TERMINAL, "Pull what a till stores, as one stream of entries: first everything, then what has changed.")
    async def pos_pull(self, info: Info, cursor: str | None = None, first: int | None = 500) -> PosPullPage:
        size = 500 if first is None else first
        async with info.context.reading() as session:
            page = await pull.pull(session, actor=info.context.actor, cursor=cursor, first=size)
        return PosPullPage(entries=[_entry(e) for e in page.entries], cursor=page.cursor, more=page.more)


def _entry(entry: PullEntry) -> PosEntry:
    match entry.kind:
        case PullEntryKind.VARIANT:
            assert entry.row is not None
            return PosEntry(kind=entry.kind, key=entry.key, variant=_variant(entry.row, entry.prices))
        case PullEntryKind.STOCK:
            assert entry.row is not None
            return PosEntry(kind=entry.kind, key=entry.key, stock=_stock(entry.row))
        case PullEntryKind.TAXES:
            taxes = [PosTax(tax_class=r["tax_class"], rate=DecimalString(r["rate"])) for r in entry.rows]
            return PosEntry(kind=entry.kind, key=entry.key, taxes=taxes)
        case PullEntryKind.CARTS:
            carts = [
                PosCart(id=strawberry.ID(global_id("Cart", r["id"])), version=r["version"], quantity=r["quantity"])
                for r in entry.rows
            ]
            return PosEntry(kind=entry.kind, key=entry.key, carts=carts)
        case PullEntryKind.REVOCATIONS:
            return PosEntry(kind=entry.kind, key=entry.key, revocations=[r["id"] for r in entry.rows])


def _variant(row: Mapping[str, Any], prices: Sequence[Mapping[str, Any]]) -> PosVariant:
    return PosVariant(
        sku=row["sku"],
        barcode=row["barcode"],
        name=row["name"],
        tax_class=row["tax_class"],
        discontinued=row["discontinued"],
        prices=[
            PosPrice(
                amount=money_of(p["amount_minor"], p["currency"]),
                channel=p["channel"],
                location=p["location"],
                valid_from=p["valid_from"],
                valid_to=p["valid_to"],
            )
            for p in prices
        ],
    )


def _stock(row: Mapping[str, Any]) -> PosStock:
    return PosStock(
        on_hand=row["on_hand"],
        available=row["available"],
        committed=row["committed"],
        reserved=row["reserved"],
        unavailable=row["unavailable"],
        safety_stock=row["safety_stock"],
        version=row["version"],
    )
