"""Reads of gift cards."""

from __future__ import annotations

import strawberry

from uriba.access import guess_limits
from uriba.graphql.context import Info
from uriba.graphql.permissions import SHOP, query
from uriba.graphql.stored_value.types import GiftCard, card_of
from uriba.stored_value import queries


@strawberry.type
class StoredValueQueries:
    @query(
        SHOP,
        "The gift card of a code, for terminals, apps and staff; null where it cannot be used: unknown, blocked or "
        "expired. Too many wrong codes: LIMIT_EXCEEDED.",
    )
    async def gift_card(self, info: Info, code: str) -> GiftCard | None:
        settings, caller = info.context.hub.settings, f"gift_card:{info.context.actor.caller}"
        term_s = settings.handoff_term_s
        async with info.context.transaction() as session:
            await guess_limits.check(session, caller=caller, guesses_max=settings.handoff_guesses_max, term_s=term_s)
            row = await queries.usable_card(session, code)
            if row is None:
                await guess_limits.record(session, caller=caller, term_s=term_s)
        return card_of(row) if row else None
