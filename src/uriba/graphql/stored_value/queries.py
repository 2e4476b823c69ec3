"""Reads of gift cards."""

from __future__ import annotations

from functools import partial

import strawberry

from uriba.access.guess_limits import CodeKind
from uriba.graphql.context import Info
from uriba.graphql.permissions import RETAILER, query
from uriba.graphql.stored_value.types import GiftCard, card_of
from uriba.stored_value import queries


@strawberry.type
class StoredValueQueries:
    @query(
        RETAILER,
        "The gift card of a code, for terminals, apps and staff; null where it cannot be used: unknown, blocked or "
        "expired. Too many wrong codes: LIMIT_EXCEEDED.",
    )
    async def gift_card(self, info: Info, code: str) -> GiftCard | None:
        row = await info.context.attempt(CodeKind.GIFT_CARD, partial(queries.usable_card, code=code))
        return card_of(row) if row else None
