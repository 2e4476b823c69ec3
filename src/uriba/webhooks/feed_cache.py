"""The feed's newest part in memory: endpoints that keep up share one read of it, and one encoding of each event."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from itertools import islice

import msgspec

from uriba.db import Database, Row
from uriba.events import presentation
from uriba.outbox import relay

KEPT = 5_000
READ_MAX = 1_000

_encode = msgspec.json.Encoder().encode


class Tail:
    """The feed's last events. Positions have no gap, so a place in it is found by counting."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: deque[Row] = deque(maxlen=KEPT)
        self._bodies: OrderedDict[int, bytes] = OrderedDict()
        self._end: int | None = None

    async def read_on(self) -> bool:
        """Read some of what is new. Whether there was any."""
        async with self._database.reading() as session:
            if self._end is None:
                self._end = await relay.end_of_feed(session)
                return True
            rows = await relay.read(session, after=self._end, limit=READ_MAX)
        if rows:
            self._rows.extend(rows)
            self._end = rows[-1]["position"]
        return bool(rows)

    def let_go(self) -> None:
        """Nobody needs it for now: begin at the feed's end of then."""
        self._rows.clear()
        self._end = None

    async def after(self, position: int, *, limit: int) -> Sequence[Row]:
        """The feed after a position: from memory, else from the table."""
        if self._end is None or position >= self._end:
            return []
        if self._rows and position >= self._rows[0]["position"] - 1:
            skipped = position + 1 - self._rows[0]["position"]
            return list(islice(self._rows, skipped, skipped + limit))
        async with self._database.reading() as session:
            return await relay.read(session, after=position, limit=limit)

    def body(self, row: Row) -> bytes:
        """An event as it is sent, encoded once for all endpoints that keep up."""
        known = self._bodies.get(row["id"])
        if known is None:
            known = self._bodies[row["id"]] = _encode(presentation.event_of(row))
            if len(self._bodies) > READ_MAX:
                self._bodies.popitem(last=False)
        return known
