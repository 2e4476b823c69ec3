"""Events as they are sent to endpoints: endpoints that keep up share one encoding of each event."""

from __future__ import annotations

import msgspec

from uriba.core.bounded_cache import BoundedCache
from uriba.db import Database, Row
from uriba.outbox import registry
from uriba.outbox.feed_cache import READ_MAX, FeedCache

_encode = msgspec.json.Encoder().encode


class EncodedFeedCache(FeedCache):
    """The newest events of the feed, with their encoded bodies."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._bodies: BoundedCache[int, bytes] = BoundedCache(READ_MAX)

    def body(self, row: Row) -> bytes:
        """Return the body of a delivery of this event."""
        known = self._bodies.get(row["id"])
        if known is None:
            known = self._bodies[row["id"]] = _encode(registry.present(row))
        return known
