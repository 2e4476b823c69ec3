"""Alerts as they come and go."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from uuid import UUID

import strawberry

from uriba.alerts import alerts
from uriba.alerts.events import SUBJECT_PREFIX, alert_subject
from uriba.alerts.models import AlertStatus
from uriba.core.pages import PAGE_SIZE_MAX
from uriba.db import Row
from uriba.graphql.context import Info
from uriba.graphql.engine.live_feed import Change
from uriba.graphql.engine.subscriptions import State, subscribe
from uriba.graphql.health.types import Alert, alert_of
from uriba.graphql.orders.queries import location_key
from uriba.graphql.permissions import OPERATIONS, subscription


@strawberry.type
class HealthSubscriptions:
    @subscription(
        OPERATIONS,
        "Open alerts, all of them now, then each that opens or closes. For staff, and apps with the scope inventory.",
    )
    async def alerts_changed(self, info: Info, location: str | None = None) -> AsyncGenerator[Alert, None]:
        place = None if location is None else await location_key(info, location)

        async def present() -> AsyncIterator[State[Alert]]:
            async for row in _open(info, place):
                yield _state(row)

        async def changed(change: Change) -> AsyncIterator[State[Alert]]:
            async with info.context.reading() as session:
                row = await alerts.visible(
                    session, UUID(change.subject.removeprefix(SUBJECT_PREFIX)), actor=info.context.actor
                )
            if row is not None and place in (None, row["location_id"]):
                yield _state(row)

        watch = info.context.live_feed.watch_matching(lambda subject: subject.startswith(SUBJECT_PREFIX))
        async with aclosing(subscribe(info, watch=watch, present=present, changed=changed)) as states:
            async for alert in states:
                yield alert


def _state(row: Row) -> State[Alert]:
    return State(alert_subject(row["id"]), row["events"], alert_of(row))


async def _open(info: Info, place: int | None) -> AsyncIterator[Row]:
    """All that is open, page by page, the newest first."""
    before: UUID | None = None
    while True:
        async with info.context.reading() as session:
            rows = await alerts.some(
                session,
                actor=info.context.actor,
                status=AlertStatus.OPEN,
                location_id=place,
                first=PAGE_SIZE_MAX,
                before=before,
            )
        for row in rows[:PAGE_SIZE_MAX]:
            yield row
        if len(rows) <= PAGE_SIZE_MAX:
            return
        before = rows[PAGE_SIZE_MAX - 1]["id"]
