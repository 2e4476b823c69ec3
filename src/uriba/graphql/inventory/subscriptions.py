"""Live stock and live availability."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import strawberry

from uriba.catalog import locations
from uriba.catalog import queries as catalog
from uriba.catalog.events import variant_subject
from uriba.core.errors import Code, Invalid, Refusals
from uriba.db import Row, Session
from uriba.graphql.catalog.types import Variant, load_variant
from uriba.graphql.context import Info
from uriba.graphql.engine.live_feed import Change
from uriba.graphql.engine.subscriptions import State, subscribe
from uriba.graphql.inventory.queries import narrow
from uriba.graphql.inventory.types import StockLevel, level_of
from uriba.graphql.permissions import PUBLIC, RETAILER, subscription
from uriba.inventory import queries

SKUS_MAX = 100
PAGE = 100


@strawberry.type
class InventorySubscriptions:
    @subscription(RETAILER, "Stock levels as they are, then each one as it changes. For terminals, apps and staff.")
    async def stock_changed(
        self, info: Info, location: str | None = None, skus: list[str] | None = None
    ) -> AsyncGenerator[StockLevel, None]:
        variant_ids, location_id = await narrow(info.context, location, skus)

        async def present() -> AsyncIterator[State[StockLevel]]:
            async for row in _levels(info, variant_ids, location_id):
                yield State(_subject(row), row["version"], level_of(row))

        async def changed(change: Change) -> AsyncIterator[State[StockLevel]]:
            level = await info.context.loaders.level.get(_key(change.subject))
            if level is not None:
                yield State(change.subject, level["version"], level_of(level))

        watch = info.context.live_feed.watch_matching(_matches(variant_ids, location_id))
        async with aclosing(subscribe(info, watch=watch, present=present, changed=changed)) as levels:
            async for level in levels:
                yield level

    @subscription(PUBLIC, "Variants with what a channel may promise: now, and whenever that differs.")
    async def availability_changed(self, info: Info, channel: str, skus: list[str]) -> AsyncGenerator[Variant, None]:
        if not 1 <= len(skus) <= SKUS_MAX:
            raise Invalid(f"Give 1 to {SKUS_MAX} SKUs.", "skus")
        known = await info.context.channel(channel)
        async with info.context.reading() as session:
            variant_ids = await _known(session, skus)
            places = (await locations.by_channel(session, [known.id]))[known.id]
        served = {row["id"] for row in places}
        shown: dict[int, object] = {}

        async def state(variant_id: int) -> State[Variant]:
            return State(variant_subject(variant_id), 0, await load_variant(info, variant_id, channel))

        async def present() -> AsyncIterator[State[Variant]]:
            for variant_id in variant_ids:
                yield await state(variant_id)

        async def changed(change: Change) -> AsyncIterator[State[Variant]]:
            variant_id, _ = _key(change.subject)
            supply = await info.context.loaders.supply(known.id).get(variant_id)
            if variant_id not in shown or supply != shown[variant_id]:
                shown[variant_id] = supply
                yield await state(variant_id)

        watch = info.context.live_feed.watch_matching(_matches_any(set(variant_ids), served))
        following = subscribe(info, watch=watch, present=present, changed=changed, same_for_all_shoppers=True)
        async with aclosing(following) as variants:
            async for variant in variants:
                yield variant


async def _levels(info: Info, variant_ids: list[int] | None, location_id: int | None) -> AsyncIterator[Row]:
    """The levels as they are, page by page."""
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


def _subject(level: Row) -> str:
    return f"StockLevel:{level['variant_id']}:{level['location_id']}"


def _key(subject: str) -> tuple[int, int]:
    return queries.split_level_key(subject.removeprefix("StockLevel:"))


async def _known(session: Session, skus: list[str]) -> list[int]:
    """The variants of SKUs. Errors: NOT_FOUND for each that there is not; nobody would ever hear of it."""
    found = await catalog.ids_by_sku(session, skus)
    refusals = Refusals()
    for index, sku in enumerate(skus):
        if sku not in found:
            refusals.add(Code.NOT_FOUND, "There is no such SKU.", "skus", index)
    refusals.raise_any()
    return list(found.values())


def _matches(variant_ids: list[int] | None, location_id: int | None) -> Callable[[str], bool]:
    wanted = None if variant_ids is None else set(variant_ids)
    return _matches_any(wanted, None if location_id is None else {location_id})


def _matches_any(variant_ids: set[int] | None, location_ids: set[int] | None) -> Callable[[str], bool]:
    """Whether a subject is one of these levels; None means any."""

    def matches(subject: str) -> bool:
        kind, _, key = subject.partition(":")
        if kind != "StockLevel":
            return False
        variant_id, location_id = queries.split_level_key(key)
        return (variant_ids is None or variant_id in variant_ids) and (
            location_ids is None or location_id in location_ids
        )

    return matches
