"""Queries of gift cards."""

from __future__ import annotations

from functools import partial

import strawberry

from uriba.access.guess_limits import CodeKind
from uriba.graphql.context import Info
from uriba.graphql.permissions import RETAILER, query
from uriba.graphql.stored_value.types import GiftCard, gift_card_of
from uriba.stored_value import queries


@strawberry.type
class StoredValueQueries:
    @query(
        RETAILER,
        "The gift card with this code. Null if the code is unknown or the card is blocked or expired. Too many wrong "
        "codes: LIMIT_EXCEEDED. For terminals, apps and staff.",
    )
    async def gift_card(self, info: Info, code: str) -> GiftCard | None:
        card = await info.context.attempt(CodeKind.GIFT_CARD, partial(queries.usable_card, code=code))
        return gift_card_of(card) if card else None
