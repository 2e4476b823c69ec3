"""Reads for staff and tills."""

from __future__ import annotations

import strawberry

from uriba.catalog import locations
from uriba.conflicts import cases as conflicts
from uriba.conflicts.models import ConflictKind, ConflictStatus
from uriba.core import pages
from uriba.core.errors import NotFound
from uriba.graphql.connections import connect
from uriba.graphql.context import Info
from uriba.graphql.permissions import INVENTORY_SCOPE, query
from uriba.graphql.pos.types import ConflictConnection, ConflictEdge, conflict_of


@strawberry.type
class PosQueries:
    @query(
        INVENTORY_SCOPE, "What the hub could not settle by itself, newest first. For staff, and apps with the scope."
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
            place = (await locations.by_code(session, [location])).get(location) if location is not None else None
            if location is not None and place is None:
                raise NotFound("There is no such location.", "location")
            rows = await conflicts.some(
                session,
                status=status,
                kind=kind,
                location_id=place["id"] if place else None,
                first=size,
                before=pages.after_number(after),
            )
        page = pages.page(rows, first=size, after=after, key=lambda row: row["id"])
        return connect(ConflictConnection, ConflictEdge, page, conflict_of)  # type: ignore[no-any-return]
