"""The cached feed with encoded events: endpoints that keep up share one encoding of each event."""

from __future__ import annotations

from uriba.core.bounded_cache import BoundedCache
from uriba.db import Database, Row
from uriba.outbox.feed_cache import READ_MAX, FeedCache
from uriba.webhooks.coalescing import encode_body


class EncodedFeedCache(FeedCache):
    """The newest events of the feed, with the bodies of their deliveries."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._bodies: BoundedCache[int, bytes] = BoundedCache(READ_MAX)

    def body(self, row: Row) -> bytes:
        """Return the body of a delivery of this event, which stands for no other version."""
        body = self._bodies.get(row["id"])
        if body is None:
            body = self._bodies[row["id"]] = encode_body(row, row["version"])
        return body
