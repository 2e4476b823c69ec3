"""Subscription to alerts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from uuid import UUID

import strawberry

from uriba.alerts import queries
from uriba.alerts.enums import AlertStatus
from uriba.alerts.events import SUBJECT_PREFIX, alert_subject
from uriba.alerts.queries import AlertRecord
from uriba.core.pages import PAGE_SIZE_MAX
from uriba.graphql.context import Info
from uriba.graphql.engine.live_feed import Change
from uriba.graphql.engine.subscriptions import State, subscribe
from uriba.graphql.health.types import Alert, alert_of
from uriba.graphql.orders.queries import location_id_of_code
from uriba.graphql.permissions import INVENTORY_SCOPE, subscription


@strawberry.type
class HealthSubscriptions:
    @subscription(
        INVENTORY_SCOPE,
        "All open alerts, then each alert that opens or closes. For staff, and apps with the scope inventory.",
    )
    async def alerts_changed(self, info: Info, location: str | None = None) -> AsyncGenerator[Alert, None]:
        location_id = None if location is None else await location_id_of_code(info, location)

        async def present() -> AsyncIterator[State[Alert]]:
            async for alert in _open_alerts(info, location_id):
                yield _state(alert)

        async def changed(change: Change) -> AsyncIterator[State[Alert]]:
            alert_id = UUID(change.subject.removeprefix(SUBJECT_PREFIX))
            async with info.context.reading() as session:
                alert = await queries.by_id(session, alert_id, actor=info.context.actor)
            if alert is not None and location_id in (None, alert.location_id):
                yield _state(alert)

        watch = info.context.live_feed.watch_matching(lambda subject: subject.startswith(SUBJECT_PREFIX))
        async with aclosing(subscribe(info, watch=watch, present=present, changed=changed)) as states:
            async for alert in states:
                yield alert


def _state(alert: AlertRecord) -> State[Alert]:
    return State(alert_subject(alert.id), alert.events, alert_of(alert))


async def _open_alerts(info: Info, location_id: int | None) -> AsyncIterator[AlertRecord]:
    """Yield all open alerts, page by page, newest first."""
    before: UUID | None = None
    while True:
        async with info.context.reading() as session:
            found = await queries.page(
                session,
                actor=info.context.actor,
                status=AlertStatus.OPEN,
                location_id=location_id,
                first=PAGE_SIZE_MAX,
                before=before,
            )
        for alert in found[:PAGE_SIZE_MAX]:
            yield alert
        if len(found) <= PAGE_SIZE_MAX:
            return
        before = found[PAGE_SIZE_MAX - 1].id
