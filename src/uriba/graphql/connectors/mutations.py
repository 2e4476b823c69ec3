"""What staff, and apps with the scope catalog for their own channel, do with connectors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import strawberry

from uriba.connectors import connectors
from uriba.connectors.connectors import Change, Terms
from uriba.core import ids
from uriba.core.errors import NotFound
from uriba.db import Row, Session
from uriba.graphql.connectors.types import KIND, ConnectorInput, ConnectorPayload, ConnectorUpdateInput, connector_of
from uriba.graphql.context import Info
from uriba.graphql.permissions import MASTER_DATA, mutation
from uriba.outbound.client import check_url

Changed = Callable[[Session, UUID], Awaitable[Row]]


@strawberry.type
class ConnectorMutations:
    @mutation(
        MASTER_DATA,
        "Write to a channel from now on, and fetch its orders. The first run tells it all that it sells. A code that "
        "was deleted comes back with the orders that it brought. An app's connectors are its channel's.",
    )
    async def connector_create(self, info: Info, input: ConnectorInput) -> ConnectorPayload:
        context = info.context
        channel = await context.channel(input.channel, "input", "channel")
        if context.actor.restricted_to_channel not in (None, channel.id):
            raise NotFound("There is no such channel.", "input", "channel")
        terms = Terms(input.code, input.kind, input.url, input.token, input.every_seconds)
        connectors.check(terms)
        await _check_url(info, input.url)
        async with context.transaction() as session:
            row = await connectors.create(session, channel_id=channel.id, terms=terms)
        return ConnectorPayload(connector=connector_of(row, None))

    @mutation(
        MASTER_DATA,
        "Change how a connector reaches its channel, or pause it. Another url is another channel's: it is told all.",
    )
    async def connector_update(self, info: Info, input: ConnectorUpdateInput) -> ConnectorPayload:
        change = Change(input.url, input.token, input.every_seconds, input.paused)
        await _check_url(info, input.url)
        return await _changed(
            info, input.id, lambda s, key: connectors.update(s, key, actor=info.context.actor, change=change), "input"
        )

    @mutation(MASTER_DATA, "Send and fetch nothing any more. Its folder stays.")
    async def connector_delete(self, info: Info, id: strawberry.ID) -> ConnectorPayload:
        return await _changed(info, id, lambda s, key: connectors.delete(s, key, actor=info.context.actor))

    @mutation(
        MASTER_DATA,
        "Run soon: compare everything with what the channel was told, and try again what was refused or waits.",
    )
    async def connector_run(self, info: Info, id: strawberry.ID) -> ConnectorPayload:
        return await _changed(info, id, lambda s, key: connectors.ask(s, key, actor=info.context.actor))


async def _changed(info: Info, id: str, change: Changed, *path: str) -> ConnectorPayload:
    key = ids.uuid(id, KIND)
    if key is None:
        raise NotFound("There is no such connector.", *path, "id")
    async with info.context.transaction() as session:
        row = await change(session, key)
        lag = (await connectors.lag_by_id(session, [key])).get(key)
    return ConnectorPayload(connector=connector_of(row, lag))


async def _check_url(info: Info, url: str | None) -> None:
    if url is not None:
        await check_url(url, info.context.hub.settings, "input", "url")
