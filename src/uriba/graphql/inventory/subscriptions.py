"""Subscriptions to stock levels and availability."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import strawberry

from uriba.catalog import locations
from uriba.catalog.events import variant_subject
from uriba.db import Row
from uriba.graphql.catalog.types import Variant, load_variant
from uriba.graphql.context import Info
from uriba.graphql.engine.live_feed import Change
from uriba.graphql.engine.subscriptions import State, subscribe
from uriba.graphql.inventory.types import StockLevel, level_of
from uriba.graphql.permissions import PUBLIC, RETAILER, subscription
from uriba.inventory import lookups, queries

PAGE = 100


@strawberry.type
class InventorySubscriptions:
    @subscription(RETAILER, "Stock levels as they are, then each one as it changes. For terminals, apps and staff.")
    async def stock_changed(
        self, info: Info, location: str | None = None, skus: list[str] | None = None
    ) -> AsyncGenerator[StockLevel, None]:
        async with info.context.reading() as session:
            variant_ids, location_id = await lookups.filter_keys(session, location=location, skus=skus)

        async def present() -> AsyncIterator[State[StockLevel]]:
            async for row in _levels(info, variant_ids, location_id):
                yield State(queries.level_subject(row), row["version"], level_of(row))

        async def changed(change: Change) -> AsyncIterator[State[StockLevel]]:
            key = queries.level_of_subject(change.subject)
            level = await info.context.loaders.level.get(key) if key else None
            if level is not None:
                yield State(change.subject, level["version"], level_of(level))

        matches = queries.level_matcher(
            None if variant_ids is None else set(variant_ids), None if location_id is None else {location_id}
        )
        watch = info.context.live_feed.watch_matching(matches)
        async with aclosing(subscribe(info, watch=watch, present=present, changed=changed)) as levels:
            async for level in levels:
                yield level

    @subscription(PUBLIC, "Variants with what a channel may promise: now, and whenever that changes.")
    async def availability_changed(self, info: Info, channel: str, skus: list[str]) -> AsyncGenerator[Variant, None]:
        async with info.context.reading() as session:
            variant_ids = await lookups.subscribed_variant_ids(session, skus)
        known = await info.context.channel(channel)
        async with info.context.reading() as session:
            served = {row["id"] for row in (await locations.by_channel(session, [known.id]))[known.id]}
        last_supply: dict[int, object] = {}

        async def state(variant_id: int) -> State[Variant]:
            return State(variant_subject(variant_id), 0, await load_variant(info, variant_id, channel))

        async def present() -> AsyncIterator[State[Variant]]:
            for variant_id in variant_ids:
                yield await state(variant_id)

        async def changed(change: Change) -> AsyncIterator[State[Variant]]:
            variant_id = _variant_id(change.subject)
            supply = await info.context.loaders.supply(known.id).get(variant_id)
            if variant_id not in last_supply or supply != last_supply[variant_id]:
                last_supply[variant_id] = supply
                yield await state(variant_id)

        watch = info.context.live_feed.watch_matching(queries.level_matcher(set(variant_ids), served))
        following = subscribe(info, watch=watch, present=present, changed=changed, same_for_all_shoppers=True)
        async with aclosing(following) as variants:
            async for variant in variants:
                yield variant


async def _levels(info: Info, variant_ids: list[int] | None, location_id: int | None) -> AsyncIterator[Row]:
    """Read the levels as they are, page by page."""
    after: tuple[int, int] | None = None
    while True:
        async with info.context.reading() as session:
            rows = await queries.levels(
                session, variant_ids=variant_ids, location_id=location_id, first=PAGE, after=after
            )
        info.context.reset_loaders()
        for row in rows[:PAGE]:
            yield row
        if len(rows) <= PAGE:
            return
        after = (rows[PAGE - 1]["variant_id"], rows[PAGE - 1]["location_id"])


def _variant_id(subject: str) -> int:
    level = queries.level_of_subject(subject)
    assert level is not None, "only levels are watched"
    return level[0]
