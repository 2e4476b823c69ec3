"""Changes: which variants may differ from what a channel was told, from the feed, from the calendar, or from all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from uriba.catalog import channels
from uriba.connectors import sent_values
from uriba.connectors.current_values import Key
from uriba.connectors.leases import Held, renew
from uriba.connectors.models import ValueKind
from uriba.db import Row, Session
from uriba.outbox import feed, relay

BEHIND_MAX = 50_000
"""Events; for one further behind it costs less to compare all."""


async def look(held: Held, *, compare_s: float) -> None:
    """Mark whatever may differ since the last look. Errors: `leases.Lost`."""
    async with held.writing() as session:
        all_of_it = await session.fetchval(_COMPARE_DUE, held.id, compare_s, BEHIND_MAX)
    if all_of_it:
        await _compare(held)
    else:
        while await _follow(held):
            pass


# All of it: asked for, the first time, after a while, where the channel sells from other places now, or where the feed
# has forgotten what came next.
_COMPARE_DUE = """
    SELECT c.asked OR c.compared_at IS NULL OR c.compared_at < now() - make_interval(secs => $2)
        OR c.location_ids IS DISTINCT FROM ARRAY(
            SELECT l.location_id FROM channel_location l WHERE l.channel_id = c.channel_id ORDER BY l.location_id)
        OR c.position < f.forgotten OR f.position - c.position > $3
    FROM connector c, feed f WHERE c.id = $1
"""


async def _follow(held: Held) -> bool:
    """Mark what a piece of the feed is about, and prices that began or ended meanwhile; whether there is more."""
    async with held.writing() as session:
        row = await _row(session, held)
        events = await relay.read(session, after=row["position"])
        spans = await session.fetch(_SPANS, row["prices_at"])
        keys = [*_keys(events, frozenset(row["location_ids"])), *_both(span["variant_id"] for span in spans)]
        await sent_values.mark(session, held.id, keys)
        end = events[-1]["position"] if events else row["position"]
        await session.run("UPDATE connector SET position = $2, prices_at = now() WHERE id = $1", held.id, end)
    return len(events) == relay.BATCH


async def _row(session: Session, held: Held) -> Row:
    return await renew(session, held)


_SPANS = """
    SELECT DISTINCT variant_id FROM price
    WHERE valid_from > $1 AND valid_from <= now() OR valid_to > $1 AND valid_to <= now()
"""


def _keys(events: Iterable[Row], location_ids: frozenset[int]) -> Iterator[Key]:
    """What events may have changed for a channel that sells from these places. Pure."""
    for event in events:
        kind, _, rest = event["subject"].partition(":")
        if kind == "StockLevel":
            variant_id, location_id = map(int, rest.split(":"))
            if location_id in location_ids:
                yield ValueKind.AVAILABILITY, variant_id
        elif kind == "Variant":
            yield from _both([int(rest)])


def _both(variant_ids: Iterable[int]) -> Iterator[Key]:
    """A price or its end changes whether something is sold at all, and so its units too."""
    for variant_id in variant_ids:
        for kind in ValueKind:
            yield kind, variant_id


async def _compare(held: Held) -> None:
    """Mark all that differs. Where the feed ends is read first: what comes later is found there."""
    async with held.writing() as session:
        row = await _row(session, held)
        end = await feed.kept_range(session)
        moment = await session.fetchval("SELECT now()")
        places = await session.fetchval(_PLACES, row["channel_id"])
    after: int | None = 0
    while after is not None:
        async with held.writing() as session:
            channel = (await channels.by_id(session, [row["channel_id"]]))[row["channel_id"]]
            found, after = await sent_values.compare(session, held.id, channel, after=after)
            await sent_values.mark(session, held.id, [(one.kind, one.variant_id) for one in found])
    async with held.writing() as session:
        await session.run(_COMPARED, held.id, end.position, moment, places)


_PLACES = """
    SELECT ARRAY(SELECT l.location_id FROM channel_location l WHERE l.channel_id = $1 ORDER BY l.location_id)
"""
_COMPARED = """
    UPDATE connector SET position = $2, prices_at = $3, compared_at = $3, location_ids = $4, asked = false WHERE id = $1
"""
