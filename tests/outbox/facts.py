"""Facts to feed the outbox with, where no domain is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from uriba.db import Database
from uriba.outbox import Event, emit, relay


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """Something happened to a subject of a test."""

    type: ClassVar[str] = "test.noted"


async def note(database: Database, subject: str, version: int = 1, **data: object) -> None:
    """One committed fact."""
    async with database.transaction() as session:
        emit(session, Noted(subject, version, data))


async def number_all(database: Database) -> int:
    """Have all that waits numbered; the feed's end."""
    while True:
        numbered, end = await relay.number(database)
        if not numbered:
            return end


async def positions(database: Database) -> list[tuple[int | None, str, int]]:
    """(position, subject, version) of every row, by position."""
    async with database.reading() as session:
        rows = await session.fetch("SELECT position, subject, version FROM outbox_event ORDER BY position, id")
    return [(row["position"], row["subject"], row["version"]) for row in rows]
