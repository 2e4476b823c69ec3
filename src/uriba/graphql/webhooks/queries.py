"""Queries of the feed by pages, and of endpoints."""

from __future__ import annotations

import strawberry

from uriba.core import ids, pages
from uriba.graphql.context import Info
from uriba.graphql.permissions import APP_OR_STAFF, query
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
from uriba.health import feed_readers
from uriba.outbox import feed
from uriba.outbox.registry import check_types
from uriba.webhooks import deliveries, endpoints


@strawberry.type
class WebhookQueries:
    @query(
        APP_OR_STAFF,
        "The events after a cursor, oldest first: each event once, without a gap, in order per subject. Continue after "
        "pageInfo.endCursor. A cursor older than the feed is CURSOR_EXPIRED: start with feed.end. For apps and staff.",
    )
    async def events(
        self, info: Info, after: str | None = None, first: int | None = 100, types: list[str] | None = None
    ) -> EventConnection:
        size = pages.check_first(100 if first is None else first)
        check_types(types, "types")
        position = pages.after_number(after)
        async with info.context.reading() as session:
            page = await feed.page(session, after=position, types=types, first=size)
            await feed_readers.record_position(session, actor=info.context.actor, position=position)
        edges = [edge_of(row) for row in page.rows]
        return EventConnection(
            edges=edges,
            page_info=PageInfo(
                has_next_page=page.more,
                has_previous_page=after is not None,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=pages.cursor(page.end),
            ),
        )

    @query(APP_OR_STAFF, "The cursors of the feed's start and end now. For apps and staff.")
    async def feed(self, info: Info) -> Feed:
        async with info.context.reading() as session:
            kept = await feed.kept_range(session)
        return Feed(earliest=pages.cursor(kept.forgotten), end=pages.cursor(kept.position))

    @query(APP_OR_STAFF, "The endpoints that receive webhooks. Apps see their channel's, staff all.")
    async def endpoints(self, info: Info) -> list[Endpoint]:
        async with info.context.reading() as session:
            found = await endpoints.all_visible(session, actor=info.context.actor)
        return [endpoint_of(endpoint) for endpoint in found]


async def endpoint_by_id(info: Info, id: str) -> Endpoint | None:
    key = ids.uuid(id, "Endpoint")
    if key is None or not APP_OR_STAFF.allows(info.context.actor):
        return None
    async with info.context.reading() as session:
        endpoint = await endpoints.by_id(session, key, actor=info.context.actor)
    return endpoint_of(endpoint) if endpoint else None


async def delivery_by_id(info: Info, id: str) -> Delivery | None:
    key = ids.number(id, "Delivery")
    if key is None or not APP_OR_STAFF.allows(info.context.actor):
        return None
    async with info.context.reading() as session:
        delivery = await deliveries.by_id(session, key, actor=info.context.actor)
    return delivery_of(delivery) if delivery else None
