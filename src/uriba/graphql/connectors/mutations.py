"""Mutations of connectors, for staff and for apps with the scope catalog."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import strawberry

from uriba.connectors import connectors
from uriba.connectors.connector_records import ConnectorRecord
from uriba.connectors.connectors import ConnectorChange, ConnectorLag, NewConnector
from uriba.core import ids
from uriba.core.errors import NotFound
from uriba.db import Session
from uriba.graphql.connectors.types import KIND, ConnectorInput, ConnectorPayload, ConnectorUpdateInput, connector_of
from uriba.graphql.context import Info
from uriba.graphql.permissions import CATALOG_SCOPE, mutation
from uriba.outbound.addresses import check_url
from uriba.webhooks import endpoints

Change = Callable[[Session, UUID], Awaitable[ConnectorRecord]]


@strawberry.type
class ConnectorMutations:
    @mutation(
        CATALOG_SCOPE,
        "Create a connector, which pushes values to a channel and imports its orders. Its first run sends all values. "
        "A deleted connector with the same code is restored and knows the orders that it imported. An app's connectors "
        "belong to its channel.",
    )
    async def connector_create(self, info: Info, input: ConnectorInput) -> ConnectorPayload:
        context = info.context
        channel = await context.channel(input.channel, "input", "channel")
        endpoints.check_channel(context.actor, channel.id, "input", "channel")
        new = NewConnector(input.code, input.kind, input.url, input.token, input.every_seconds)
        connectors.check_new(new)
        await _check_url(info, input.url)
        async with context.transaction() as session:
            connector = await connectors.create(session, channel_id=channel.id, new=new)
        return ConnectorPayload(connector=connector_of(connector, ConnectorLag()))

    @mutation(
        CATALOG_SCOPE,
        "Change a connector's settings, or pause or resume it. After a change of its url all values are sent again.",
    )
    async def connector_update(self, info: Info, input: ConnectorUpdateInput) -> ConnectorPayload:
        change = ConnectorChange(input.url, input.token, input.every_seconds, input.paused)
        await _check_url(info, input.url)
        return await _change(
            info, input.id, lambda s, key: connectors.update(s, key, actor=info.context.actor, change=change), "input"
        )

    @mutation(CATALOG_SCOPE, "Delete a connector: it never runs again. The files in its folder are kept.")
    async def connector_delete(self, info: Info, id: strawberry.ID) -> ConnectorPayload:
        return await _change(info, id, lambda s, key: connectors.delete(s, key, actor=info.context.actor))

    @mutation(
        CATALOG_SCOPE,
        "Run a connector soon: compare all values with the sent ones, and try refused values and waiting orders again.",
    )
    async def connector_run(self, info: Info, id: strawberry.ID) -> ConnectorPayload:
        return await _change(info, id, lambda s, key: connectors.request_run(s, key, actor=info.context.actor))


async def _change(info: Info, id: str, change: Change, *path: str) -> ConnectorPayload:
    key = ids.uuid(id, KIND)
    if key is None:
        raise NotFound("There is no such connector.", *path, "id")
    async with info.context.transaction() as session:
        connector = await change(session, key)
        lags = await connectors.lag_by_id(session, [key])
    return ConnectorPayload(connector=connector_of(connector, lags[key]))


async def _check_url(info: Info, url: str | None) -> None:
    if url is not None:
        await check_url(url, info.context.hub.settings, "input", "url")
