"""What a receiver holds, held against the feed."""

from __future__ import annotations

from dataclasses import dataclass

from receiver import Receiver

from client import Client
from uriba.core import ids
from uriba.db import Database
from uriba.webhooks.events import TEST

EVENTS = """query ($after: String) { events(after: $after) {
    edges { node { id type subject version } } pageInfo { hasNextPage endCursor } } }"""

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Keys are (subject, version). `doubled`: one that came under another id than the feed's."""

    lost: set[Key]
    invented: set[Key]
    doubled: list[Key]
    reordered: list[Key]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.invented or self.doubled or self.reordered)


async def feed_after(client: Client, cursor: str) -> dict[Key, str]:
    """The feed, paged through as a reader does: the id of every event."""
    found: dict[Key, str] = {}
    more, after = True, cursor
    while more:
        page = (await client.run(EVENTS, after=after))["events"]
        for node in (edge["node"] for edge in page["edges"]):
            if node["type"] != TEST:
                assert (node["subject"], node["version"]) not in found, "the feed says it twice"
                found[node["subject"], node["version"]] = node["id"]
        more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"] or after
    return found


async def table_after(database: Database, position: int) -> set[str]:
    """The ids of what the table holds after a position, numbered or not."""
    async with database.reading() as session:
        rows = await session.fetch(
            "SELECT id FROM outbox_event WHERE (position > $1 OR position IS NULL) AND type <> $2", position, TEST
        )
    return {ids.global_id("Event", row["id"]) for row in rows}


def judge(receiver: Receiver, feed: dict[Key, str]) -> Verdict:
    """Everything arrived, under the feed's own id, and no first arrival is older than one before it."""
    taken = {(got.event["subject"], v) for got in receiver.got if got.taken for v in got.versions}
    last: dict[str, int] = {}
    seen: set[Key] = set()
    reordered, doubled = [], []
    for got in receiver.got:
        subject, key = got.event["subject"], (got.event["subject"], got.event["version"])
        if feed.get(key, got.id) != got.id:
            doubled.append(key)
        if key in seen:
            continue
        seen.add(key)
        if got.versions.start <= last.get(subject, 0):
            reordered.append(key)
        last[subject] = max(last.get(subject, 0), key[1])
    return Verdict(set(feed) - taken, taken - set(feed), doubled, reordered)
