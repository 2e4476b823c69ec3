"""Change detection: mark values that a channel may not have, from the feed and price periods, or by comparing all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from uriba.catalog import channels
from uriba.connectors import sent_values
from uriba.connectors.current_values import ValueKey
from uriba.connectors.enums import ValueKind
from uriba.connectors.leases import ConnectorLease, renew
from uriba.db import Row
from uriba.db.statements import statement
from uriba.outbox import feed, relay
from uriba.pricing import prices

FOLLOWED_MAX = 50_000
"""Events. Comparing all values costs less than following more of them."""


async def mark_changes_and_commit(lease: ConnectorLease, *, compare_s: float) -> None:
    """Mark all values that may have changed since the last run. Errors: `LeaseLost`."""
    async with lease.writing() as session:
        compare_all = await session.fetchval(
            _COMPARE_ALL, connector_id=lease.connector_id, compare_s=compare_s, followed_max=FOLLOWED_MAX
        )
    if compare_all:
        await _compare_all_and_commit(lease)
    else:
        while await _follow_feed_and_commit(lease):
            pass


# All values are compared: on request, in the first run, after some time, when the channel's locations have changed, and
# when the feed no longer has the next events.
_COMPARE_ALL = statement("""
    SELECT c.asked OR c.compared_at IS NULL OR c.compared_at < now() - make_interval(secs => :compare_s)
        OR c.location_ids IS DISTINCT FROM ARRAY(
            SELECT l.location_id FROM channel_location l WHERE l.channel_id = c.channel_id ORDER BY l.location_id)
        OR c.position < f.forgotten OR f.position - c.position > :followed_max
    FROM connector c, feed f WHERE c.id = :connector_id
""")


async def _follow_feed_and_commit(lease: ConnectorLease) -> bool:
    """Mark what the next events are about, and prices that began or ended. Return whether there are more events."""
    async with lease.writing() as session:
        connector = await renew(session, lease)
        events = await relay.read(session, after=connector.position)
        repriced = await prices.variants_repriced_since(session, connector.prices_at)
        keys = [
            *_keys_of_events(events, frozenset(connector.location_ids or ())),
            *_all_kinds(repriced),
        ]
        await sent_values.mark(session, lease.connector_id, keys)
        position = events[-1]["position"] if events else connector.position
        await session.run(_SAVE_POSITION, connector_id=lease.connector_id, position=position)
    return len(events) == relay.BATCH


_SAVE_POSITION = statement("UPDATE connector SET position = :position, prices_at = now() WHERE id = :connector_id")


def _keys_of_events(events: Iterable[Row], location_ids: frozenset[int]) -> Iterator[ValueKey]:
    """Return the values that events may have changed for a channel that sells from these locations. Pure."""
    for event in events:
        kind, _, rest = event["subject"].partition(":")
        if kind == "StockLevel":
            variant_id, location_id = map(int, rest.split(":"))
            if location_id in location_ids:
                yield ValueKind.AVAILABILITY, variant_id
        elif kind == "Variant":
            yield from _all_kinds([int(rest)])


def _all_kinds(variant_ids: Iterable[int]) -> Iterator[ValueKey]:
    """Return all values of variants: a price that begins or ends also decides whether the units are sold."""
    for variant_id in variant_ids:
        for kind in ValueKind:
            yield kind, variant_id


async def _compare_all_and_commit(lease: ConnectorLease) -> None:
    """Mark all values that differ. The feed's end is read first, so later events are followed by the next run."""
    async with lease.writing() as session:
        connector = await renew(session, lease)
        end = await feed.kept_range(session)
        compared_at = await session.fetchval(_NOW)
        location_ids = await session.fetchval(_LOCATIONS, channel_id=connector.channel_id)
    after: int | None = 0
    while after is not None:
        after = await _compare_some_and_commit(lease, connector.channel_id, after)
    async with lease.writing() as session:
        await session.run(
            _SAVE_COMPARISON,
            connector_id=lease.connector_id,
            position=end.position,
            compared_at=compared_at,
            location_ids=location_ids,
        )


async def _compare_some_and_commit(lease: ConnectorLease, channel_id: int, after: int) -> int | None:
    """Mark the next variants' values that differ. Return the last variant's id, None at the end."""
    async with lease.writing() as session:
        channel = (await channels.by_id(session, [channel_id]))[channel_id]
        found, last = await sent_values.compare(session, lease.connector_id, channel, after=after)
        await sent_values.mark(session, lease.connector_id, [(one.kind, one.variant_id) for one in found])
    return last


_NOW = statement("SELECT now()")
_LOCATIONS = statement("""
    SELECT ARRAY(SELECT l.location_id FROM channel_location l WHERE l.channel_id = :channel_id ORDER BY l.location_id)
""")
_SAVE_COMPARISON = statement("""
    UPDATE connector SET position = :position, prices_at = :compared_at, compared_at = :compared_at,
        location_ids = :location_ids, asked = false
    WHERE id = :connector_id
""")
