"""Reads of stock."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.catalog import locations as places
from uriba.catalog import queries as catalog
from uriba.core.errors import NotFound
from uriba.core.quantities import check_rows
from uriba.graphql.context import Context, Info
from uriba.graphql.inventory.types import StockLevel, StockLevelConnection, level_of, page_of_levels
from uriba.graphql.permissions import RETAILER, query
from uriba.inventory import explain, queries


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
        variant_ids, location_id = await narrow(info.context, location, skus)
        return await page_of_levels(
            info,
            variant_ids=variant_ids,
            location_id=location_id,
            first=50 if first is None else first,
            after=after,
        )

    @query(
        RETAILER,
        "One level as it is, or as the hub believed it to be at a time: the sum of what it had recorded by then, null "
        "where that was nothing. Its safetyStock is today's always. For terminals, apps and staff.",
    )
    async def stock_level(
        self, info: Info, sku: str, location: str, as_of: datetime | None = None
    ) -> StockLevel | None:
        async with info.context.reading() as session:
            if as_of is not None:
                row = await explain.level_as_of(session, sku=sku, location=location, as_of=as_of)
            else:
                row = next(iter(await queries.levels_by_name(session, [(sku, location)])), None)
        return level_of(row, as_of=as_of) if row else None


async def narrow(context: Context, location: str | None, skus: list[str] | None) -> tuple[list[int] | None, int | None]:
    """The keys of a filter; unknown SKUs match nothing.

    Errors: `NotFound` for the location, `LimitExceeded` above 1,000 SKUs.
    """
    check_rows(len(skus or ()), "skus")
    async with context.reading() as session:
        variant_ids = list((await catalog.ids_by_sku(session, skus)).values()) if skus is not None else None
        if location is None:
            return variant_ids, None
        found = (await places.by_code(session, [location])).get(location)
    if found is None:
        raise NotFound("There is no such location.", "location")
    return variant_ids, found["id"]
