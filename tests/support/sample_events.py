"""Events of no domain, for tests of the outbox and of transactions."""

from __future__ import annotations

from uriba.db import Database
from uriba.db.statements import statement
from uriba.outbox import Event, emit, relay


class SampleEvent(Event):
    """An event of a test. It is internal: no schema names it."""

    type = "test.sample"


async def write_sample(database: Database, subject: str, version: int = 1, **data: object) -> None:
    """Commit one event."""
    async with database.transaction() as session:
        emit(session, SampleEvent(subject, version, data))


async def assign_positions(database: Database) -> int:
    """Number all events that have no position; return the end of the feed."""
    while True:
        numbered, end = await relay.number(database)
        if not numbered:
            return end


_POSITIONS = statement("SELECT position, subject, version FROM outbox_event ORDER BY position, id")


async def positions(database: Database) -> list[tuple[int | None, str, int]]:
    """Return (position, subject, version) of every event, by position."""
    async with database.reading() as session:
        rows = await session.fetch(_POSITIONS)
    return [(row["position"], row["subject"], row["version"]) for row in rows]
