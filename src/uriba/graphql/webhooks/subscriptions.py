"""The live feed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry

from uriba.graphql.context import Info
from uriba.graphql.permissions import FEED, subscription
from uriba.graphql.webhooks.types import EventEdge, edge_of
from uriba.outbox import feed
from uriba.outbox.registry import check_types


@strawberry.type
class ChannelsSubscriptions:
    @subscription(
        FEED,
        "The change feed after a cursor, then every event as it happens; from its end of now where no cursor is given. "
        "After a lost connection ask again with the last cursor: nothing is missed, nothing comes twice. For apps and "
        "staff.",
    )
    async def events(
        self, info: Info, after: str | None = None, types: list[str] | None = None
    ) -> AsyncGenerator[EventEdge, None]:
        check_types(types, "types")
        wanted = None if types is None else frozenset(types)
        async with info.context.reading() as session:
            span = await feed.kept_range(session)
        position = span.position if after is None else feed.position_of(after, span)
        async with aclosing(info.context.live_feed.read_from(position)) as pieces:
            async for rows in pieces:
                await info.context.authenticate()
                for row in rows:
                    if wanted is None or row["type"] in wanted:
                        yield edge_of(row)
