"""Queries of promotions, for the retailer. Shoppers see the promotions of their cart on the cart."""

from __future__ import annotations

import strawberry

from uriba.core import pages
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.permissions import CATALOG_SCOPE, query
from uriba.graphql.pricing.types import Promotion, PromotionConnection, PromotionEdge, promotion_of
from uriba.pricing import promotion_setup


@strawberry.type
class PricingQueries:
    @query(CATALOG_SCOPE, "Promotions, oldest first. For staff, and apps with the scope catalog.")
    async def promotions(self, info: Info, first: int | None = 20, after: str | None = None) -> PromotionConnection:
        size, begin = pages.check_first(20 if first is None else first), pages.after_number(after)
        async with info.context.reading() as session:
            rows = await promotion_setup.page(session, first=size, after=begin)
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(PromotionConnection, PromotionEdge, page, promotion_of)  # type: ignore[no-any-return]

    @query(CATALOG_SCOPE, "One promotion, by code. For staff, and apps with the scope catalog.")
    async def promotion(self, info: Info, code: str) -> Promotion | None:
        async with info.context.reading() as session:
            row = await promotion_setup.by_code(session, code)
        return promotion_of(row) if row else None
