"""Queries of connectors, and of differences between sent and current values."""

from __future__ import annotations

import strawberry

from uriba.connectors import connectors
from uriba.core import ids, pages
from uriba.graphql.connectors.types import (
    KIND,
    Connector,
    ConnectorDifferenceConnection,
    connector_of,
    difference_page_of,
)
from uriba.graphql.context import Info
from uriba.graphql.permissions import CATALOG_SCOPE, query


@strawberry.type
class ConnectorQueries:
    @query(
        CATALOG_SCOPE,
        "The connectors. Apps with the scope catalog see their channel's, staff all.",
    )
    async def connectors(self, info: Info) -> list[Connector]:
        async with info.context.reading() as session:
            found = await connectors.all_visible(session, actor=info.context.actor)
            lags = await connectors.lag_by_id(session, [connector.id for connector in found])
        return [connector_of(connector, lags[connector.id]) for connector in found]

    @query(
        CATALOG_SCOPE,
        "The values where what the channel was sent is not the current value. Empty if the channel is up to date. "
        "A page may be short, or longer by one; pageInfo tells whether there is more.",
    )
    async def connector_differences(
        self, info: Info, id: strawberry.ID, first: int | None = 50, after: str | None = None
    ) -> ConnectorDifferenceConnection | None:
        size = pages.check_first(50 if first is None else first)
        key = ids.uuid(id, KIND)
        if key is None:
            return None
        position = pages.after_number(after)
        async with info.context.reading() as session:
            found = await connectors.differences(
                session, key, actor=info.context.actor, after=position or 0, first=size
            )
        return difference_page_of(found, begun=after is not None) if found else None
