"""What a channel's app or staff do with endpoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import strawberry

from uriba.core import ids
from uriba.core.errors import NotFound
from uriba.db import Row, Session
from uriba.graphql.context import Info
from uriba.graphql.permissions import FEED, mutation
from uriba.graphql.webhooks.types import (
    DeliveryPayload,
    EndpointInput,
    EndpointPayload,
    delivery_of,
    endpoint_of,
)
from uriba.outbound.client import check_url
from uriba.outbox.registry import check_types
from uriba.webhooks import deliveries, endpoints

Change = Callable[[Session, UUID], Awaitable[Row]]


@strawberry.type
class ChannelsMutations:
    @mutation(
        FEED,
        "Be told of what happens from now on. The answer's secret, shown this once, proves what comes. An app's "
        "endpoints are its channel's.",
    )
    async def endpoint_create(self, info: Info, input: EndpointInput) -> EndpointPayload:
        context = info.context
        check_types(input.types, "input", "types")
        channel_id = context.actor.channel_id
        if input.channel is not None:
            named = await context.channel(input.channel, "input", "channel")
            if context.actor.restricted_to_channel not in (None, named.id):
                raise NotFound("There is no such channel.", "input", "channel")
            channel_id = named.id
        url = await check_url(input.url, context.hub.settings, "input", "url")
        async with context.transaction() as session:
            opened = await endpoints.create(session, url=url, types=input.types, channel_id=channel_id)
        return EndpointPayload(endpoint=endpoint_of(opened.endpoint), secret=opened.secret)

    @mutation(FEED, "Tell an endpoint no more.")
    async def endpoint_delete(self, info: Info, id: strawberry.ID) -> EndpointPayload:
        return await _changed(info, id, lambda s, key: endpoints.delete(s, key, actor=info.context.actor))

    @mutation(FEED, "Send nothing until the endpoint is resumed; what happens meanwhile waits.")
    async def endpoint_pause(self, info: Info, id: strawberry.ID) -> EndpointPayload:
        return await _changed(info, id, lambda s, key: endpoints.pause(s, key, actor=info.context.actor))

    @mutation(FEED, "Send what waits, with a new turn of tries for what had failed.")
    async def endpoint_resume(self, info: Info, id: strawberry.ID) -> EndpointPayload:
        return await _changed(info, id, lambda s, key: endpoints.resume(s, key, actor=info.context.actor))

    @mutation(FEED, "Send an event of type endpoint.test to this endpoint alone.")
    async def endpoint_test(self, info: Info, id: strawberry.ID) -> EndpointPayload:
        return await _changed(info, id, lambda s, key: endpoints.test(s, key, actor=info.context.actor))

    @mutation(
        FEED,
        "Send again all that came after a cursor of the feed, in order, with the ids that it had. CURSOR_EXPIRED where "
        "the feed no longer has it.",
    )
    async def endpoint_replay(self, info: Info, id: strawberry.ID, after: str) -> EndpointPayload:
        return await _changed(info, id, lambda s, key: endpoints.replay(s, key, actor=info.context.actor, after=after))

    @mutation(FEED, "A new secret, shown this once. For a while deliveries are signed with the old one too.")
    async def endpoint_rotate_secret(self, info: Info, id: strawberry.ID) -> EndpointPayload:
        context = info.context
        async with context.transaction() as session:
            opened = await endpoints.rotate(
                session, _key(id), actor=context.actor, overlap_s=context.hub.settings.webhook_overlap_s
            )
        return EndpointPayload(endpoint=endpoint_of(opened.endpoint), secret=opened.secret)

    @mutation(FEED, "Send one delivery again, with the id that it had.")
    async def delivery_replay(self, info: Info, id: strawberry.ID) -> DeliveryPayload:
        async with info.context.transaction() as session:
            await endpoints.replay_one(session, _number(id), actor=info.context.actor)
            row = await deliveries.by_id(session, _number(id), actor=info.context.actor)
        return DeliveryPayload(delivery=delivery_of(row) if row else None)

    @mutation(FEED, "Give up a delivery that an endpoint cannot take: what comes after it goes on.")
    async def delivery_give_up(self, info: Info, id: strawberry.ID) -> DeliveryPayload:
        async with info.context.transaction() as session:
            await endpoints.give_up(session, _number(id), actor=info.context.actor)
            row = await deliveries.by_id(session, _number(id), actor=info.context.actor)
        return DeliveryPayload(delivery=delivery_of(row) if row else None)


async def _changed(info: Info, id: str, change: Change) -> EndpointPayload:
    async with info.context.transaction() as session:
        row = await change(session, _key(id))
    return EndpointPayload(endpoint=endpoint_of(row))


def _key(id: str) -> UUID:
    key = ids.uuid(id, "Endpoint")
    if key is None:
        raise NotFound("There is no such endpoint.", "id")
    return key


def _number(id: str) -> int:
    key = ids.number(id, "Delivery")
    if key is None:
        raise NotFound("There is no such delivery.", "id")
    return key
