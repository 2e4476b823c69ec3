"""Connectors, and what their channels have been told against the book."""

from __future__ import annotations

from uuid import UUID

import strawberry

from uriba.connectors import connectors
from uriba.core import ids, pages
from uriba.core.errors import NotFound
from uriba.graphql.connectors.types import (
    KIND,
    Connector,
    ConnectorDifferenceConnection,
    ConnectorDifferenceEdge,
    connector_of,
    difference_of,
)
from uriba.graphql.context import Info
from uriba.graphql.permissions import MASTER_DATA, query
from uriba.graphql.scalars import PageInfo


@strawberry.type
class ConnectorQueries:
    @query(
        MASTER_DATA,
        "How channels are written to. Apps with the scope catalog see their channel's, staff all.",
    )
    async def connectors(self, info: Info) -> list[Connector]:
        async with info.context.reading() as session:
            rows = await connectors.all_of(session, actor=info.context.actor)
            lags = await connectors.lag_by_id(session, [row["id"] for row in rows])
        return [connector_of(row, lags.get(row["id"])) for row in rows]

    @query(
        MASTER_DATA,
        "What a connector's channel has been told, where it is not what the book has now. Empty: it knows everything. "
        "A page may be short, or longer by one; pageInfo says whether there is more.",
    )
    async def connector_differences(
        self, info: Info, id: strawberry.ID, first: int | None = 50, after: str | None = None
    ) -> ConnectorDifferenceConnection | None:
        size = pages.check_first(50 if first is None else first)
        key = ids.uuid(id, KIND)
        if key is None:
            return None
        return await _differences(info, key, size, after)


async def _differences(info: Info, key: UUID, size: int, after: str | None) -> ConnectorDifferenceConnection | None:
    try:
        async with info.context.reading() as session:
            found, end, currency = await connectors.differences(
                session, key, actor=info.context.actor, after=pages.after_number(after) or 0, first=size
            )
    except NotFound:
        return None
    edges = [
        ConnectorDifferenceEdge(node=difference_of(one, currency), cursor=pages.cursor(one.variant_id)) for one in found
    ]
    last = pages.cursor(end) if end is not None else (edges[-1].cursor if edges else None)
    return ConnectorDifferenceConnection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=end is not None,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=last,
        ),
    )
