"""The feed by pages, endpoints and their log."""

from __future__ import annotations

import strawberry

from uriba.core import ids, pages
from uriba.graphql.context import Info
from uriba.graphql.permissions import FEED, query
from uriba.graphql.scalars import PageInfo
from uriba.graphql.webhooks.types import (
    Delivery,
    Endpoint,
    EventConnection,
    Feed,
    delivery_of,
    edge_of,
    endpoint_of,
)
from uriba.health import sync_health
from uriba.outbox import feed
from uriba.outbox.registry import check_types
from uriba.webhooks import deliveries, endpoints


@strawberry.type
class ChannelsQueries:
    @query(
        FEED,
        "The change feed after a cursor, oldest first: every event once, no gap, in order per subject. Read on after "
        "pageInfo.endCursor. A cursor older than the feed is CURSOR_EXPIRED: begin with feed.end. For apps and staff.",
    )
    async def events(
        self, info: Info, after: str | None = None, first: int | None = 100, types: list[str] | None = None
    ) -> EventConnection:
        size = pages.check_first(100 if first is None else first)
        check_types(types, "types")
        position = pages.after_number(after)
        async with info.context.reading() as session:
            piece = await feed.page(session, after=position, types=types, first=size)
            if position is not None and info.context.actor.key_id is not None:
                await sync_health.note_reader(session, key_id=info.context.actor.key_id, position=position)
        edges = [edge_of(row) for row in piece.rows]
        return EventConnection(
            edges=edges,
            page_info=PageInfo(
                has_next_page=piece.more,
                has_previous_page=after is not None,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=pages.cursor(piece.end),
            ),
        )

    @query(FEED, "Where the change feed begins and ends now. For apps and staff.")
    async def feed(self, info: Info) -> Feed:
        async with info.context.reading() as session:
            span = await feed.kept_range(session)
        return Feed(earliest=pages.cursor(span.forgotten), end=pages.cursor(span.position))

    @query(FEED, "Where channels are told of what happens. Apps see their channel's, staff all.")
    async def endpoints(self, info: Info) -> list[Endpoint]:
        async with info.context.reading() as session:
            rows = await endpoints.all_of(session, actor=info.context.actor)
        return [endpoint_of(row) for row in rows]


async def endpoint_by_id(info: Info, id: str) -> Endpoint | None:
    key = ids.uuid(id, "Endpoint")
    if key is None or not FEED.allows(info.context.actor):
        return None
    async with info.context.reading() as session:
        row = await endpoints.visible(session, key, actor=info.context.actor)
    return endpoint_of(row) if row else None


async def delivery_by_id(info: Info, id: str) -> Delivery | None:
    key = ids.number(id, "Delivery")
    if key is None or not FEED.allows(info.context.actor):
        return None
    async with info.context.reading() as session:
        row = await deliveries.by_id(session, key, actor=info.context.actor)
    return delivery_of(row) if row else None
