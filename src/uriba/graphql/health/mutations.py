"""Mutations of alerts."""

from __future__ import annotations

import strawberry

from uriba.alerts import alerts
from uriba.core import ids
from uriba.core.errors import NotFound
from uriba.graphql.context import Info
from uriba.graphql.health.types import AlertPayload, alert_of
from uriba.graphql.permissions import INVENTORY_SCOPE, mutation


@strawberry.type
class HealthMutations:
    @mutation(
        INVENTORY_SCOPE,
        "Record that the caller takes care of an alert; the first acknowledgement stays. The alert closes by itself.",
    )
    async def alert_acknowledge(self, info: Info, id: strawberry.ID) -> AlertPayload:
        key = ids.uuid(id, "Alert")
        if key is None:
            raise NotFound("There is no such alert.", "id")
        async with info.context.transaction() as session:
            alert = await alerts.acknowledge(session, key, actor=info.context.actor)
        return AlertPayload(alert=alert_of(alert))
