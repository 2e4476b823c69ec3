"""Queries of conflicts."""

from __future__ import annotations

import strawberry

from uriba.conflicts import queries
from uriba.conflicts.enums import ConflictKind, ConflictStatus
from uriba.core import pages
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.permissions import INVENTORY_SCOPE, query
from uriba.graphql.pos.types import ConflictConnection, ConflictEdge, conflict_of
from uriba.inventory import lookups


@strawberry.type
class PosQueries:
    @query(
        INVENTORY_SCOPE, "Cases that the hub cannot settle by itself, newest first. For staff, and apps with the scope."
    )
    async def conflicts(
        self,
        info: Info,
        first: int | None = 20,
        after: str | None = None,
        status: ConflictStatus | None = None,
        kind: ConflictKind | None = None,
        location: str | None = None,
    ) -> ConflictConnection:
        size = pages.check_first(20 if first is None else first)
        async with info.context.reading() as session:
            _, location_id = await lookups.filter_keys(session, location=location, skus=None)
            rows = await queries.newest(
                session,
                status=status,
                kind=kind,
                location_id=location_id,
                first=size,
                before=pages.after_number(after),
            )
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(ConflictConnection, ConflictEdge, page, conflict_of)  # type: ignore[no-any-return]
