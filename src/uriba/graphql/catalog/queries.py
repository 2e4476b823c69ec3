"""Reads of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import strawberry

from uriba.catalog import channels, locations
from uriba.catalog import queries as catalog
from uriba.core import fields, ids, pages
from uriba.core.errors import DomainError
from uriba.db import Row, Session
from uriba.graphql.catalog.types import (
    Channel,
    LocationConnection,
    LocationEdge,
    Product,
    ProductConnection,
    ProductEdge,
    Variant,
    channel_of,
    location_of,
    product_of,
    variant_of,
)
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.engine.lookahead import selected_fields, text_argument
from uriba.graphql.hub import ChannelRef
from uriba.graphql.loaders import BatchLoader
from uriba.graphql.permissions import PUBLIC, query


@strawberry.type
class CatalogQueries:
    @query(PUBLIC, "All channels.")
    async def channels(self, info: Info) -> list[Channel]:
        async with info.context.reading() as session:
            return [channel_of(row) for row in await channels.all_channels(session)]

    @query(PUBLIC, "All locations, page by page.")
    async def locations(self, info: Info, first: int | None = 50, after: str | None = None) -> LocationConnection:
        size = pages.check_first(50 if first is None else first)
        async with info.context.reading() as session:
            rows = await locations.page(session, first=size, after=pages.after_number(after))
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(LocationConnection, LocationEdge, page, location_of)  # type: ignore[no-any-return]

    @query(PUBLIC, "Products, page by page. `channel` is whose prices and availability the rows show by default.")
    async def products(
        self,
        info: Info,
        channel: str | None = None,
        search: str | None = None,
        category: str | None = None,
        first: int | None = 20,
        after: str | None = None,
    ) -> ProductConnection:
        size = pages.check_first(20 if first is None else first)
        if channel is not None:
            await info.context.channel(channel)
        ahead = await look_ahead(info, "edges.node.variants", channel)
        async with info.context.reading() as session:
            rows = await catalog.products(
                session, search=search, category=category, first=size, after=pages.after_number(after)
            )
            await ahead.of_products(info, session, [row["id"] for row in rows[:size]])
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(ProductConnection, ProductEdge, page, lambda row: product_of(row, channel))  # type: ignore[no-any-return]

    @query(PUBLIC, "One product, by handle or id.")
    async def product(self, info: Info, handle: str | None = None, id: strawberry.ID | None = None) -> Product | None:
        fields.exactly_one(handle=handle, id=id)
        if id is not None:
            return await product_by_id(info, id)
        async with info.context.reading() as session:
            row = await catalog.product_by_handle(session, handle or "")
        return product_of(row) if row else None

    @query(PUBLIC, "One variant, by SKU, barcode or id.")
    async def variant(
        self, info: Info, sku: str | None = None, barcode: str | None = None, id: strawberry.ID | None = None
    ) -> Variant | None:
        fields.exactly_one(sku=sku, barcode=barcode, id=id)
        if id is not None:
            return await variant_by_id(info, id)
        ahead = await look_ahead(info, "", None)
        async with info.context.reading() as session:
            if sku is not None:
                row = await catalog.variant_by_sku(session, sku)
            else:
                row = await catalog.variant_by_barcode(session, barcode or "")
            if row is not None:
                await ahead.of_variant(info, session, row)
        return variant_of(row) if row else None


async def product_by_id(info: Info, id: str) -> Product | None:
    key = ids.number(id, "Product")
    row = await info.context.loaders.product.get(key) if key else None
    return product_of(row) if row else None


async def variant_by_id(info: Info, id: str) -> Variant | None:
    key = ids.number(id, "Variant")
    row = await info.context.loaders.variant.get(key) if key else None
    return variant_of(row) if row else None


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a selection shows of variants, so that it is read with them: their loaders, and whether of products too.

    It is found before a connection is taken: nobody may hold one and wait for another.
    """

    variants: bool
    products: bool
    offers: Sequence[BatchLoader[int, int]]

    async def of_products(self, info: Info, session: Session, product_ids: Sequence[int]) -> None:
        if self.variants and product_ids:
            found = await info.context.loaders.variants_of_product.preload(session, product_ids)
            await self._offers([row["id"] for rows in found.values() for row in rows], session)

    async def of_variant(self, info: Info, session: Session, row: Row) -> None:
        if self.products:
            await info.context.loaders.product.preload(session, [row["product_id"]])
        await self._offers([row["id"]], session)

    async def _offers(self, variant_ids: Sequence[int], session: Session) -> None:
        for batch in self.offers:
            await batch.preload(session, variant_ids)


async def look_ahead(info: Info, path: str, channel: str | None) -> Ahead:
    """Of the variants at this path below the field; `channel` is what their prices are shown in by default."""
    wanted = selected_fields(info)
    prefix = f"{path}." if path else ""
    loaders = info.context.loaders
    offers: list[BatchLoader[int, int]] = []
    for field in wanted.get(f"{prefix}price", ()):
        if known := await _channel(info, text_argument(field, "channel", info) or channel):
            offers.append(loaders.price(known.id, known.currency))
    for field in wanted.get(f"{prefix}availability", ()):
        if known := await _channel(info, text_argument(field, "channel", info) or channel):
            offers.append(loaders.available(known.id))
    return Ahead(path in wanted, f"{prefix}product" in wanted, offers)


async def _channel(info: Info, code: str | None) -> ChannelRef | None:
    """The field's channel; where there is none, the field itself will say so."""
    try:
        return info.context.known_channel(code) or await info.context.channel(code)
    except DomainError:
        return None
