"""Queries of sync health and alerts."""

from __future__ import annotations

from uuid import UUID

import strawberry

from uriba.alerts import queries as alert_queries
from uriba.alerts.enums import AlertKind, AlertStatus
from uriba.catalog import locations
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
from uriba.graphql.orders.queries import location_id_of_code
from uriba.graphql.permissions import APP_OR_STAFF, INVENTORY_SCOPE, TERMINAL_OR_INVENTORY_SCOPE, query
from uriba.health import channel_health, parity, terminal_health
from uriba.webhooks import endpoints


@strawberry.type
class HealthQueries:
    @query(
        APP_OR_STAFF,
        "The endpoints, connectors and feed readers of each channel: how far each has come. Apps see their channel's, "
        "staff all.",
    )
    async def channel_health(self, info: Info, channel: str | None = None) -> list[ChannelHealth]:
        channel_id = await _visible_channel(info, channel)
        async with info.context.reading() as session:
            found = await channel_health.by_channel(session, actor=info.context.actor, channel_id=channel_id)
        return [channel_health_of(health) for health in found]

    @query(
        APP_OR_STAFF,
        "For each endpoint of a channel, the subjects of which it has not accepted the newest version: the number of "
        "all, and the first of them. Apps see their channel's, staff all.",
    )
    async def channel_parity(
        self, info: Info, channel: str | None = None, first: int | None = 20
    ) -> list[EndpointParity]:
        size = pages.check_first(20 if first is None else first)
        channel_id = await _visible_channel(info, channel)
        async with info.context.reading() as session:
            found = await parity.by_endpoint(session, actor=info.context.actor, channel_id=channel_id, first=size)
        return [parity_of(endpoint) for endpoint in found]

    @query(
        TERMINAL_OR_INVENTORY_SCOPE,
        "The tills of a location, or of all: how far each has come. For terminals (their own location), apps with the "
        "scope inventory, staff.",
    )
    async def terminal_health(
        self, info: Info, location: str | None = None, first: int | None = 20, after: str | None = None
    ) -> TerminalHealthConnection:
        size = pages.check_first(20 if first is None else first)
        all_locations = location is None and info.context.actor.role is not Role.TERMINAL
        actor = info.context.actor
        async with info.context.reading() as session:
            location_id = None if all_locations else await locations.id_for_actor(session, location, actor=actor)
            found = await terminal_health.terminals(
                session,
                location_id=location_id,
                default_hours=info.context.hub.settings.opening_hours,
                first=size,
                after=pages.after_key(after),
            )
        page = pages.page(found, first=size, after=after, key=lambda health: health.key_id)
        return connect(TerminalHealthConnection, TerminalHealthEdge, page, terminal_health_of)  # type: ignore[no-any-return]

    @query(INVENTORY_SCOPE, "The alerts, newest first. For staff, and apps with the scope inventory.")
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
        location_id = None if location is None else await location_id_of_code(info, location)
        async with info.context.reading() as session:
            found = await alert_queries.page(
                session,
                actor=info.context.actor,
                status=status,
                kind=kind,
                location_id=location_id,
                first=size,
                before=_alert_key(after),
            )
        page = pages.page(found, first=size, after=after, key=lambda alert: alert.id)
        return connect(AlertConnection, AlertEdge, page, alert_of)  # type: ignore[no-any-return]


async def _visible_channel(info: Info, code: str | None) -> int | None:
    """Return the id of a channel. Errors: `NotFound`, also for an app that names another channel than its own."""
    if code is None:
        return None
    channel = await info.context.channel(code, "channel")
    endpoints.check_channel(info.context.actor, channel.id, "channel")
    return channel.id


def _alert_key(after: str | None) -> UUID | None:
    """Return the key of a cursor of alerts. Errors: `Invalid`."""
    key = pages.after_key(after)
    try:
        return None if key is None else UUID(key)
    except ValueError:
        raise Invalid("This is not a cursor of this list.", "after") from None


async def alert_by_id(info: Info, id: str) -> Alert | None:
    key = ids.uuid(id, "Alert")
    if key is None or not INVENTORY_SCOPE.allows(info.context.actor):
        return None
    async with info.context.reading() as session:
        alert = await alert_queries.by_id(session, key, actor=info.context.actor)
    return alert_of(alert) if alert else None
