"""Queries of stock levels."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.graphql.context import Info
from uriba.graphql.inventory.types import StockLevel, StockLevelConnection, level_of, page_of_levels
from uriba.graphql.permissions import RETAILER, query
from uriba.inventory import explain, lookups


@strawberry.type
class InventoryQueries:
    @query(RETAILER, "Stock levels, by location and SKUs. For terminals, apps and staff.")
    async def stock_levels(
        self,
        info: Info,
        location: str | None = None,
        skus: list[str] | None = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> StockLevelConnection:
        async with info.context.reading() as session:
            variant_ids, location_id = await lookups.filter_keys(session, location=location, skus=skus)
        return await page_of_levels(
            info,
            variant_ids=variant_ids,
            location_id=location_id,
            first=50 if first is None else first,
            after=after,
        )

    @query(
        RETAILER,
        "One level as it is, or as the hub knew it at a time: the sum of the movements recorded by then, null if there "
        "were none. safetyStock is always the present one. For terminals, apps and staff.",
    )
    async def stock_level(
        self, info: Info, sku: str, location: str, as_of: datetime | None = None
    ) -> StockLevel | None:
        async with info.context.reading() as session:
            row = await explain.level(session, sku=sku, location=location, as_of=as_of)
        return level_of(row, as_of=as_of) if row else None
