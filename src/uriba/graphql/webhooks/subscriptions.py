"""The subscription to the feed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry

from uriba.graphql.context import Info
from uriba.graphql.permissions import APP_OR_STAFF, subscription
from uriba.graphql.webhooks.types import EventEdge, edge_of
from uriba.outbox import feed
from uriba.outbox.registry import check_types


@strawberry.type
class WebhookSubscriptions:
    @subscription(
        APP_OR_STAFF,
        "The events after a cursor, then each new event; without a cursor only new events. After a lost connection "
        "subscribe again with the last cursor: no event is missed, none comes twice. For apps and staff.",
    )
    async def events(
        self, info: Info, after: str | None = None, types: list[str] | None = None
    ) -> AsyncGenerator[EventEdge, None]:
        check_types(types, "types")
        wanted = None if types is None else frozenset(types)
        async with info.context.reading() as session:
            position = await feed.start_position(session, after)
        async with aclosing(info.context.live_feed.read_from(position)) as batches:
            async for rows in batches:
                await info.context.authenticate()
                for row in rows:
                    if wanted is None or row["type"] in wanted:
                        yield edge_of(row)
