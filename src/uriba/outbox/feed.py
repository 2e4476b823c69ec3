"""The feed as readers page through it: every event once, by position, for as long as it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uriba.core import pages
from uriba.core.errors import CursorExpired, Invalid
from uriba.db.session import Row, Session

SCANNED_MAX = 10_000
"""Positions that one page looks at: where a type is rare, a page may be short, and its end cursor goes on."""

COLUMNS = "id, position, type, subject, version, at, data"


@dataclass(frozen=True, slots=True)
class Span:
    """Where the feed begins and ends: a reader may begin after `forgotten`."""

    forgotten: int
    position: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the feed, oldest first. `end`: the position up to which it was looked through."""

    rows: Sequence[Row]
    end: int
    more: bool


async def span(session: Session) -> Span:
    row = await session.fetchrow("SELECT forgotten, position FROM feed")
    assert row is not None
    return Span(row["forgotten"], row["position"])


async def piece(session: Session, *, after: int | None, types: Sequence[str] | None, first: int) -> Piece:
    """What came after a position; from the beginning of what is kept where none is said.

    Errors: `CursorExpired` for a position from before that.
    """
    kept = await span(session)
    start = kept.forgotten if after is None else after
    check(kept, start)
    until = min(start + (SCANNED_MAX if types is not None else first), kept.position)
    rows = await session.fetch(_PIECE, start, until, first + 1, None if types is None else list(types))
    # What was dropped between the two statements is not passed over in silence.
    check(await span(session), start)
    if len(rows) > first:
        rows = rows[:first]
        return Piece(rows, rows[-1]["position"] if rows else start, more=True)
    return Piece(rows, max(until, start), more=until < kept.position)


_PIECE = f"""
    SELECT {COLUMNS} FROM outbox_event
    WHERE position > $1 AND position <= $2 AND ($4::text[] IS NULL OR type = ANY($4)) ORDER BY position LIMIT $3
"""


def check(kept: Span, position: int) -> None:
    """Errors: `CursorExpired` where some of what follows a position is gone, `Invalid` for one from the future."""
    if position > kept.position:
        raise Invalid("This cursor is ahead of the feed, which was restored: begin anew with feed.end.", "after")
    if position < kept.forgotten:
        raise CursorExpired(
            "The feed no longer has all that came after this cursor. Take feed.end, read the present state, "
            "and go on from that cursor.",
            "after",
        )


def position_of(cursor: str, kept: Span) -> int:
    """The position within a cursor. Errors: `Invalid`, `CursorExpired`."""
    position = pages.after_number(cursor)
    assert position is not None
    check(kept, position)
    return position


async def forget(session: Session, *, older_than_s: int, needed_after: int | None) -> int:
    """Drop old events, but none that somebody has still to be told of. How many."""
    row = await session.fetchrow(_FORGET, older_than_s, needed_after, SCANNED_MAX)
    assert row is not None
    return int(row["dropped"])


# The newest event of the feed stays: its time says how far the feed has come.
_FORGET = """
    WITH old AS (
        SELECT max(position) AS last FROM (
            SELECT e.position, e.at FROM outbox_event e, feed f
            WHERE e.position > f.forgotten AND e.position < f.position AND ($2::bigint IS NULL OR e.position <= $2)
            ORDER BY e.position LIMIT $3
        ) e WHERE e.at < now() - make_interval(secs => $1)
    ), moved AS (
        UPDATE feed SET forgotten = old.last FROM old WHERE old.last IS NOT NULL RETURNING old.last
    ), gone AS (
        DELETE FROM outbox_event e USING moved WHERE e.position <= moved.last RETURNING 1
    )
    SELECT count(*) AS dropped FROM gone
"""
