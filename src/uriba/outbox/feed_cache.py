"""The newest events of the feed in memory: all readers of a process that keep up share one read of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from uriba.db import Database, Row
from uriba.outbox import relay

EVENTS_MAX = 5_000
READ_MAX = 1_000
"""Events of one read of the table."""


class FeedCache:
    """The last `EVENTS_MAX` events. Positions have no gap, so an event is found by counting."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: deque[Row] = deque(maxlen=EVENTS_MAX)
        self._end: int | None = None

    async def read_new(self) -> bool:
        """Read at most `READ_MAX` new events. Return whether there may be more: whether any were new.

        The first call only finds the feed's present end.
        """
        async with self._database.reading() as session:
            if self._end is None:
                self._end = await relay.end_of_feed(session)
                return True
            rows = await relay.read(session, after=self._end, limit=READ_MAX)
        if rows:
            self._rows.extend(rows)
            self._end = rows[-1]["position"]
        return bool(rows)

    def clear(self) -> None:
        """Drop everything; the next `read_new` begins at the feed's end of that time."""
        self._rows.clear()
        self._end = None

    async def after(self, position: int, *, limit: int) -> Sequence[Row]:
        """Return the events after a position: from memory, else from the table."""
        if self._end is None or position >= self._end:
            return []
        if self._rows and position >= self._rows[0]["position"] - 1:
            skipped = position + 1 - self._rows[0]["position"]
            return list(islice(self._rows, skipped, skipped + limit))
        async with self._database.reading() as session:
            return await relay.read(session, after=position, limit=limit)
