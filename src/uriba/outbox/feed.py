"""Reading the event feed by pages: every event once, by position, for as long as events are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uriba.core import pages
from uriba.core.errors import CursorExpired, Invalid
from uriba.db.session import Row, Session
from uriba.db.statements import statement

SCANNED_MAX = 10_000
"""Positions that one page scans. Where a type is rare a page may be short; its end cursor goes on from there."""


@dataclass(frozen=True, slots=True)
class FeedRange:
    """The kept part of the feed: events up to `forgotten` are deleted, `position` is the newest."""

    forgotten: int
    position: int


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events, oldest first. `end`: the position up to which the feed was scanned; `more`: whether there is more."""

    rows: Sequence[Row]
    end: int
    more: bool


async def kept_range(session: Session) -> FeedRange:
    """Return which part of the feed is kept."""
    row = await session.fetchrow(_RANGE)
    assert row is not None
    return FeedRange(row["forgotten"], row["position"])


_RANGE = statement("SELECT forgotten, position FROM feed")


async def page(session: Session, *, after: int | None, types: Sequence[str] | None, first: int) -> FeedPage:
    """Return events after a position, or from the oldest kept event on where no position is given.

    Errors: `CursorExpired` for a position before the oldest kept event, `Invalid` for one beyond the newest.
    """
    kept = await kept_range(session)
    start = kept.forgotten if after is None else after
    check(kept, start)
    until = min(start + (SCANNED_MAX if types is not None else first), kept.position)
    rows = await session.fetch(
        _PAGE, start=start, until=until, limit=first + 1, types=None if types is None else list(types)
    )
    # Events that were deleted between the two statements must not be skipped silently.
    check(await kept_range(session), start)
    if len(rows) > first:
        rows = rows[:first]
        return FeedPage(rows, rows[-1]["position"] if rows else start, more=True)
    return FeedPage(rows, max(until, start), more=until < kept.position)


_PAGE = statement("""
    SELECT id, position, type, subject, version, at, data FROM outbox_event
    WHERE position > :start AND position <= :until AND (:types::text[] IS NULL OR type = ANY(:types))
    ORDER BY position LIMIT :limit
""")


def check(kept: FeedRange, position: int) -> None:
    """Errors: `CursorExpired` where events after the position are deleted, `Invalid` for a position beyond the feed."""
    if position > kept.position:
        raise Invalid("This cursor is ahead of the feed, which was restored: begin anew with feed.end.", "after")
    if position < kept.forgotten:
        raise CursorExpired(
            "The feed no longer has all that came after this cursor. Take feed.end, read the present state, "
            "and go on from that cursor.",
            "after",
        )


def position_of(cursor: str, kept: FeedRange) -> int:
    """Return the position of a cursor. Errors: `Invalid`, `CursorExpired`."""
    position = pages.after_number(cursor)
    assert position is not None
    check(kept, position)
    return position


async def start_position(session: Session, cursor: str | None) -> int:
    """Return the position of a cursor, or the feed's end without one. Errors: `Invalid`, `CursorExpired`."""
    kept = await kept_range(session)
    return kept.position if cursor is None else position_of(cursor, kept)


async def forget(session: Session, *, older_than_s: int, needed_after: int | None) -> int:
    """Delete old events, except those after `needed_after`, which somebody still has to receive; return how many."""
    row = await session.fetchrow(_FORGET, older_than_s=older_than_s, needed_after=needed_after, limit=SCANNED_MAX)
    assert row is not None
    return int(row["dropped"])


# The newest event stays: its time says how far the feed has come.
_FORGET = statement("""
    WITH old AS (
        SELECT max(position) AS last FROM (
            SELECT e.position, e.at FROM outbox_event e, feed f
            WHERE e.position > f.forgotten AND e.position < f.position
                AND (:needed_after::bigint IS NULL OR e.position <= :needed_after)
            ORDER BY e.position LIMIT :limit
        ) e WHERE e.at < now() - make_interval(secs => :older_than_s)
    ), moved AS (
        UPDATE feed SET forgotten = old.last FROM old WHERE old.last IS NOT NULL RETURNING old.last
    ), gone AS (
        DELETE FROM outbox_event e USING moved WHERE e.position <= moved.last RETURNING 1
    )
    SELECT count(*) AS dropped FROM gone
""")
