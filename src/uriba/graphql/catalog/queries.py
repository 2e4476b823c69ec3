"""Queries of the catalog."""

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

    @query(PUBLIC, "All locations, in pages.")
    async def locations(self, info: Info, first: int | None = 50, after: str | None = None) -> LocationConnection:
        size = pages.check_first(50 if first is None else first)
        async with info.context.reading() as session:
            rows = await locations.page(session, first=size, after=pages.after_number(after))
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(LocationConnection, LocationEdge, page, location_of)  # type: ignore[no-any-return]

    @query(PUBLIC, "Products, in pages. `channel` is the default for the prices and availability of their variants.")
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
        preloads = await find_preloads(info, "edges.node.variants", channel)
        async with info.context.reading() as session:
            rows = await catalog.products(
                session, search=search, category=category, first=size, after=pages.after_number(after)
            )
            await preloads.load_for_products(info, session, [row["id"] for row in rows[:size]])
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
        preloads = await find_preloads(info, "", None)
        async with info.context.reading() as session:
            if sku is not None:
                row = await catalog.variant_by_sku(session, sku)
            else:
                row = await catalog.variant_by_barcode(session, barcode or "")
            if row is not None:
                await preloads.load_for_variant(info, session, row)
        return variant_of(row) if row else None


async def product_by_id(info: Info, id: str) -> Product | None:
    """Return a product by its global id."""
    key = ids.number(id, "Product")
    row = await info.context.loaders.product.get(key) if key else None
    return product_of(row) if row else None


async def variant_by_id(info: Info, id: str) -> Variant | None:
    """Return a variant by its global id."""
    key = ids.number(id, "Variant")
    row = await info.context.loaders.variant.get(key) if key else None
    return variant_of(row) if row else None


@dataclass(frozen=True, slots=True)
class Preloads:
    """The parts of variants that a selection needs, to be read together with them.

    Found before a connection is taken: a request may not hold one connection and wait for another.
    """

    variants: bool
    products: bool
    offers: Sequence[BatchLoader[int, int]]

    async def load_for_products(self, info: Info, session: Session, product_ids: Sequence[int]) -> None:
        if self.variants and product_ids:
            found = await info.context.loaders.variants_of_product.preload(session, product_ids)
            await self._offers([row["id"] for rows in found.values() for row in rows], session)

    async def load_for_variant(self, info: Info, session: Session, row: Row) -> None:
        if self.products:
            await info.context.loaders.product.preload(session, [row["product_id"]])
        await self._offers([row["id"]], session)

    async def _offers(self, variant_ids: Sequence[int], session: Session) -> None:
        for batch in self.offers:
            await batch.preload(session, variant_ids)


async def find_preloads(info: Info, path: str, channel: str | None) -> Preloads:
    """Return what the selection needs of the variants at this path. `channel`: the default of their prices."""
    selected = selected_fields(info)
    prefix = f"{path}." if path else ""
    loaders = info.context.loaders
    offers: list[BatchLoader[int, int]] = []
    for field in selected.get(f"{prefix}price", ()):
        if known := await _channel(info, text_argument(field, "channel", info) or channel):
            offers.append(loaders.price(known.id, known.currency))
    for field in selected.get(f"{prefix}availability", ()):
        if known := await _channel(info, text_argument(field, "channel", info) or channel):
            offers.append(loaders.available(known.id))
    return Preloads(path in selected, f"{prefix}product" in selected, offers)


async def _channel(info: Info, code: str | None) -> ChannelRef | None:
    """Return the channel of a field; None for an unknown one: the field itself raises the error."""
    try:
        return info.context.known_channel(code) or await info.context.channel(code)
    except DomainError:
        return None
