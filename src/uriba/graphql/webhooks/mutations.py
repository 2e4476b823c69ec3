"""Mutations of endpoints and deliveries, for a channel's app and for staff."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import strawberry

from uriba.core import ids
from uriba.core.errors import NotFound
from uriba.db import Session
from uriba.graphql.context import Info
from uriba.graphql.permissions import APP_OR_STAFF, mutation
from uriba.graphql.webhooks.types import DeliveryPayload, EndpointInput, EndpointPayload, delivery_of, endpoint_of
from uriba.outbound.addresses import check_url
from uriba.outbox.registry import check_types
from uriba.webhooks import deliveries, endpoints
from uriba.webhooks.deliveries import DeliveryRecord
from uriba.webhooks.endpoints import EndpointRecord

EndpointChange = Callable[[Session, UUID], Awaitable[EndpointRecord]]
DeliveryChange = Callable[[Session, int], Awaitable[DeliveryRecord | None]]


@strawberry.type
class WebhookMutations:
    @mutation(
        APP_OR_STAFF,
        "Create an endpoint, which receives events from now on. `secret` verifies the signatures of its webhooks and "
        "is shown only now. An app's endpoints belong to its channel.",
    )
    async def endpoint_create(self, info: Info, input: EndpointInput) -> EndpointPayload:
        context = info.context
        check_types(input.types, "input", "types")
        channel_id = await _channel_id(info, input.channel)
        url = await check_url(input.url, context.hub.settings, "input", "url")
        async with context.transaction() as session:
            created = await endpoints.create(session, url=url, types=input.types, channel_id=channel_id)
        return EndpointPayload(endpoint=endpoint_of(created.endpoint), secret=created.secret)

    @mutation(APP_OR_STAFF, "Delete an endpoint. Nothing is sent to it any more.")
    async def endpoint_delete(self, info: Info, id: strawberry.ID) -> EndpointPayload:
        return await _change_endpoint(info, id, lambda s, key: endpoints.delete(s, key, actor=info.context.actor))

    @mutation(APP_OR_STAFF, "Send nothing until the endpoint is resumed. Events of the meantime are kept for it.")
    async def endpoint_pause(self, info: Info, id: strawberry.ID) -> EndpointPayload:
        return await _change_endpoint(info, id, lambda s, key: endpoints.pause(s, key, actor=info.context.actor))

    @mutation(APP_OR_STAFF, "Send pending deliveries again, with all their retries.")
    async def endpoint_resume(self, info: Info, id: strawberry.ID) -> EndpointPayload:
        return await _change_endpoint(info, id, lambda s, key: endpoints.resume(s, key, actor=info.context.actor))

    @mutation(APP_OR_STAFF, "Send an event of type endpoint.test to this endpoint only.")
    async def endpoint_test(self, info: Info, id: strawberry.ID) -> EndpointPayload:
        return await _change_endpoint(info, id, lambda s, key: endpoints.send_test(s, key, actor=info.context.actor))

    @mutation(
        APP_OR_STAFF,
        "Send all events after a cursor of the feed again, in order, with the same ids. CURSOR_EXPIRED if the feed no "
        "longer has them.",
    )
    async def endpoint_replay(self, info: Info, id: strawberry.ID, after: str) -> EndpointPayload:
        actor = info.context.actor
        return await _change_endpoint(info, id, lambda s, key: endpoints.replay(s, key, actor=actor, after=after))

    @mutation(
        APP_OR_STAFF,
        "Create a new secret, shown only now. For some time deliveries are signed with the previous one too.",
    )
    async def endpoint_rotate_secret(self, info: Info, id: strawberry.ID) -> EndpointPayload:
        context = info.context
        async with context.transaction() as session:
            rotated = await endpoints.rotate_secret(
                session, _endpoint_id(id), actor=context.actor, overlap_s=context.hub.settings.webhook_overlap_s
            )
        return EndpointPayload(endpoint=endpoint_of(rotated.endpoint), secret=rotated.secret)

    @mutation(APP_OR_STAFF, "Send one delivery again, with the same id.")
    async def delivery_replay(self, info: Info, id: strawberry.ID) -> DeliveryPayload:
        return await _change_delivery(info, id, lambda s, key: deliveries.replay(s, key, actor=info.context.actor))

    @mutation(
        APP_OR_STAFF, "Give up a delivery that the endpoint cannot accept, so that later ones of its subject are sent."
    )
    async def delivery_give_up(self, info: Info, id: strawberry.ID) -> DeliveryPayload:
        return await _change_delivery(info, id, lambda s, key: deliveries.give_up(s, key, actor=info.context.actor))


async def _channel_id(info: Info, code: str | None) -> int | None:
    """Return the id of the channel of a new endpoint: the one that is named, or the caller's. Errors: `NotFound`."""
    if code is None:
        return info.context.actor.channel_id
    channel = await info.context.channel(code, "input", "channel")
    endpoints.check_channel(info.context.actor, channel.id, "input", "channel")
    return channel.id


async def _change_endpoint(info: Info, id: str, change: EndpointChange) -> EndpointPayload:
    async with info.context.transaction() as session:
        endpoint = await change(session, _endpoint_id(id))
    return EndpointPayload(endpoint=endpoint_of(endpoint))


async def _change_delivery(info: Info, id: str, change: DeliveryChange) -> DeliveryPayload:
    async with info.context.transaction() as session:
        delivery = await change(session, _delivery_id(id))
    return DeliveryPayload(delivery=delivery_of(delivery) if delivery else None)


def _endpoint_id(id: str) -> UUID:
    key = ids.uuid(id, "Endpoint")
    if key is None:
        raise NotFound("There is no such endpoint.", "id")
    return key


def _delivery_id(id: str) -> int:
    key = ids.number(id, "Delivery")
    if key is None:
        raise NotFound("There is no such delivery.", "id")
    return key
