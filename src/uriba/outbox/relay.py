"""The relay: the only one to give events their place in the feed.

A reader of the feed by position never misses a row: positions are given after the commit, one relay at a time, in
the order in which rows are found. Of one subject that is the order of its versions, because each version is written
under the lock of the subject's row.
"""

from __future__ import annotations

from uriba.db.session import Database, Row, Session

BATCH = 1_000

_TURN = "SELECT position FROM feed FOR UPDATE"
# A statement of its own: its snapshot is taken after the turn was won, so that no row is numbered twice.
# The limit is written in: of a parameter PostgreSQL expects a tenth of all that wait, and reads through all of them.
_NUMBER = f"""
    WITH due AS (
        SELECT id, row_number() OVER (ORDER BY id) AS n
        FROM (SELECT id FROM outbox_event WHERE position IS NULL ORDER BY id LIMIT {BATCH}) AS first
    ), numbered AS (
        UPDATE outbox_event AS e SET position = $1 + due.n FROM due WHERE e.id = due.id RETURNING e.position
    )
    UPDATE feed SET position = $1 + (SELECT count(*) FROM numbered)
    WHERE EXISTS (SELECT FROM numbered) RETURNING position
"""


async def number(database: Database) -> tuple[int, int]:
    """Give places to at most `BATCH` waiting events. Returns how many, and the feed's end."""
    async with database.transaction(tell=False) as session:
        end: int = await session.fetchval(_TURN)
        new_end: int | None = await session.fetchval(_NUMBER, end)
    return (0, end) if new_end is None else (new_end - end, new_end)


async def waiting(session: Session) -> int:
    """How many events have no place yet: the relay's backlog."""
    return int(await session.fetchval("SELECT count(*) FROM outbox_event WHERE position IS NULL"))


async def end_of_feed(session: Session) -> int:
    return int(await session.fetchval("SELECT position FROM feed"))


async def subjects(session: Session, *, after: int, limit: int = BATCH) -> list[Row]:
    """What the feed after a position is about, oldest first."""
    return await session.fetch(
        "SELECT position, subject FROM outbox_event WHERE position > $1 ORDER BY position LIMIT $2", after, limit
    )


async def read(session: Session, *, after: int, limit: int = BATCH) -> list[Row]:
    """The feed after a position, oldest first."""
    return await session.fetch(
        "SELECT id, position, type, subject, version, at, data FROM outbox_event "
        "WHERE position > $1 ORDER BY position LIMIT $2",
        after,
        limit,
    )
