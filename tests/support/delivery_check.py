"""Comparison of what a receiver got with the feed."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.client import Client
from tests.support.faulty_receiver import FaultyReceiver
from uriba.core import ids
from uriba.db import Database
from uriba.db.statements import statement
from uriba.webhooks.events import TEST

EVENTS = """query ($after: String) { events(after: $after) {
    edges { node { id type subject version } } pageInfo { hasNextPage endCursor } } }"""

_IDS_AFTER = statement("SELECT id FROM outbox_event WHERE (position > :position OR position IS NULL) AND type <> :test")

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class DeliveryCheck:
    """Differences, as (subject, version). `wrong_ids`: deliveries under another id than the feed's."""

    lost: set[Key]
    invented: set[Key]
    wrong_ids: list[Key]
    reordered: list[Key]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.invented or self.wrong_ids or self.reordered)


async def feed_after(client: Client, cursor: str) -> dict[Key, str]:
    """Read the feed page by page, as an API client does, and return the id of every event."""
    found: dict[Key, str] = {}
    more, after = True, cursor
    while more:
        page = (await client.execute(EVENTS, after=after))["events"]
        for node in (edge["node"] for edge in page["edges"]):
            if node["type"] != TEST:
                assert (node["subject"], node["version"]) not in found, "the feed has an event twice"
                found[node["subject"], node["version"]] = node["id"]
        more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"] or after
    return found


async def table_ids_after(database: Database, position: int) -> set[str]:
    """Return the ids of the table's events after a position, including those without a position."""
    async with database.reading() as session:
        rows = await session.fetch(_IDS_AFTER, position=position, test=TEST)
    return {ids.global_id("Event", row["id"]) for row in rows}


def compare_with_feed(receiver: FaultyReceiver, feed: dict[Key, str]) -> DeliveryCheck:
    """Compare: each event arrived under the feed's id, and first arrivals of a subject ascend."""
    accepted = {
        (request.event["subject"], v) for request in receiver.requests if request.accepted for v in request.versions
    }
    last: dict[str, int] = {}
    seen: set[Key] = set()
    reordered, wrong_ids = [], []
    for request in receiver.requests:
        subject, key = request.event["subject"], (request.event["subject"], request.event["version"])
        if feed.get(key, request.id) != request.id:
            wrong_ids.append(key)
        if key in seen:
            continue
        seen.add(key)
        if request.versions.start <= last.get(subject, 0):
            reordered.append(key)
        last[subject] = max(last.get(subject, 0), key[1])
    return DeliveryCheck(set(feed) - accepted, accepted - set(feed), wrong_ids, reordered)
