"""How everybody is doing, what differs, and what people have to look at."""

from __future__ import annotations

from uuid import UUID

import strawberry

from uriba.alerts import queries
from uriba.alerts.models import AlertKind, AlertStatus
from uriba.core import ids, pages
from uriba.core.actor import Role
from uriba.core.errors import Invalid
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.health.types import (
    Alert,
    AlertConnection,
    AlertEdge,
    ChannelHealth,
    EndpointParity,
    TerminalHealthConnection,
    TerminalHealthEdge,
    alert_of,
    channel_health_of,
    parity_of,
    terminal_health_of,
)
from uriba.graphql.orders.queries import location_key, workplace
from uriba.graphql.permissions import FEED, OPERATIONS, STOCK_ROOM, query
from uriba.health import parity, sync_health
from uriba.webhooks import endpoints


@strawberry.type
class HealthQueries:
    @query(
        FEED,
        "By channel, its endpoints, connectors and readers of the feed: how far each has come. Apps see their "
        "channel's, staff all.",
    )
    async def channel_health(self, info: Info, channel: str | None = None) -> list[ChannelHealth]:
        key = await _channel_key(info, channel)
        async with info.context.reading() as session:
            found = await sync_health.by_channel(session, actor=info.context.actor, channel_id=key)
        return [channel_health_of(one) for one in found]

    @query(
        FEED,
        "What the endpoints of a channel have taken against the book: the first differences of each, all of them "
        "counted. Apps see their channel's, staff all.",
    )
    async def channel_parity(
        self, info: Info, channel: str | None = None, first: int | None = 20
    ) -> list[EndpointParity]:
        size = pages.check_first(20 if first is None else first)
        key = await _channel_key(info, channel)
        async with info.context.reading() as session:
            found = await parity.by_endpoint(session, actor=info.context.actor, channel_id=key, first=size)
        return [parity_of(one) for one in found]

    @query(
        STOCK_ROOM,
        "The tills of a location, or of all: how far each has come. For terminals (their own location), apps with the "
        "scope inventory, staff.",
    )
    async def terminal_health(
        self, info: Info, location: str | None = None, first: int | None = 20, after: str | None = None
    ) -> TerminalHealthConnection:
        size = pages.check_first(20 if first is None else first)
        anywhere = location is None and info.context.actor.role is not Role.TERMINAL
        place = None if anywhere else await workplace(info, location)
        async with info.context.reading() as session:
            found = await sync_health.terminals(
                session,
                location_id=place,
                default_hours=info.context.hub.settings.opening_hours,
                first=size,
                after=pages.after_key(after),
            )
        page = pages.page(found, first=size, after=after, key=lambda one: one.row["key_id"])
        return connect(TerminalHealthConnection, TerminalHealthEdge, page, terminal_health_of)  # type: ignore[no-any-return]

    @query(OPERATIONS, "What people have to look at, newest first. For staff, and apps with the scope inventory.")
    async def alerts(
        self,
        info: Info,
        status: AlertStatus | None = None,
        kind: AlertKind | None = None,
        location: str | None = None,
        first: int | None = 20,
        after: str | None = None,
    ) -> AlertConnection:
        size = pages.check_first(20 if first is None else first)
        place = None if location is None else await location_key(info, location)
        async with info.context.reading() as session:
            rows = await queries.page(
                session,
                actor=info.context.actor,
                status=status,
                kind=kind,
                location_id=place,
                first=size,
                before=_after_alert(after),
            )
        page = pages.page(rows, first=size, after=after, key=lambda alert: alert.id)
        return connect(AlertConnection, AlertEdge, page, alert_of)  # type: ignore[no-any-return]


async def _channel_key(info: Info, code: str | None) -> int | None:
    """The channel that is asked for. Errors: `NotFound`, also for an app that asks for another than its own."""
    if code is None:
        return None
    named = await info.context.channel(code, "channel")
    endpoints.check_channel(info.context.actor, named.id, "channel")
    return named.id


def _after_alert(after: str | None) -> UUID | None:
    """Errors: `Invalid`."""
    key = pages.after_key(after)
    try:
        return None if key is None else UUID(key)
    except ValueError:
        raise Invalid("This is not a cursor of this list.", "after") from None


async def alert_by_id(info: Info, id: str) -> Alert | None:
    key = ids.uuid(id, "Alert")
    if key is None or not OPERATIONS.allows(info.context.actor):
        return None
    async with info.context.reading() as session:
        alert = await queries.by_id(session, key, actor=info.context.actor)
    return alert_of(alert) if alert else None
