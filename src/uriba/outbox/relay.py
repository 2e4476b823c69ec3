"""The relay: gives committed events their positions in the feed. Nothing else does.

Positions are given after the commit, by one relay at a time, in the order of the events' ids. So a reader who follows
the feed by position misses no event, and the events of one subject come in the order of their versions, because each
version is written under the lock of its subject's row.
"""

from __future__ import annotations

from uriba.db.session import Database, Row, Session
from uriba.db.statements import fragment, statement

BATCH = 1_000


async def number(database: Database) -> tuple[int, int]:
    """Give positions to at most `BATCH` events; return how many were numbered, and the feed's end."""
    async with database.transaction(notify=False) as session:
        end: int = await session.fetchval(_LOCK_FEED)
        new_end: int | None = await session.fetchval(_NUMBER, end=end)
    return (0, end) if new_end is None else (new_end - end, new_end)


_LOCK_FEED = statement("SELECT position FROM feed FOR UPDATE")

# A statement of its own: its snapshot is taken after the feed was locked, so no event is numbered twice. The limit is a
# constant: of a parameter PostgreSQL expects to read a tenth of all waiting rows, and it would read all of them.
_NUMBER = statement(f"""
    WITH due AS (
        SELECT id, row_number() OVER (ORDER BY id) AS n
        FROM (SELECT id FROM outbox_event WHERE position IS NULL ORDER BY id LIMIT {BATCH}) AS first
    ), numbered AS (
        UPDATE outbox_event AS e SET position = :end + due.n FROM due WHERE e.id = due.id RETURNING e.position
    )
    UPDATE feed SET position = :end + (SELECT count(*) FROM numbered)
    WHERE EXISTS (SELECT FROM numbered) RETURNING position
""")


async def waiting(session: Session) -> int:
    """Return how many events have no position yet."""
    return int(await session.fetchval(_WAITING))


_WAITING = statement("SELECT count(*) FROM outbox_event WHERE position IS NULL")


LAG_S = fragment("""
    coalesce((SELECT greatest(0, extract(epoch FROM clock_timestamp() - at)) FROM outbox_event
        WHERE position IS NULL ORDER BY id LIMIT 1), 0)::float8
""")
"""How long the oldest event without a position has been waiting for it."""

_LAG = statement(f"SELECT {LAG_S}")


async def lag_s(session: Session) -> float:
    """Return how long the oldest event without a position has been waiting for it; 0 where none is waiting."""
    return float(await session.fetchval(_LAG))


async def end_of_feed(session: Session) -> int:
    """Return the position of the newest event."""
    return int(await session.fetchval(_END))


_END = statement("SELECT position FROM feed")


async def subjects(session: Session, *, after: int, limit: int = BATCH) -> list[Row]:
    """Return positions and subjects of the events after a position, oldest first."""
    return await session.fetch(_SUBJECTS, after=after, limit=limit)


_SUBJECTS = statement(
    "SELECT position, subject FROM outbox_event WHERE position > :after ORDER BY position LIMIT :limit"
)


async def read(session: Session, *, after: int, limit: int = BATCH) -> list[Row]:
    """Return the events after a position, oldest first."""
    return await session.fetch(_READ, after=after, limit=limit)


_READ = statement("""
    SELECT id, position, type, subject, version, at, data FROM outbox_event
    WHERE position > :after ORDER BY position LIMIT :limit
""")
