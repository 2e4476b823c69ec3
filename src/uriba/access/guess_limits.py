"""Guessing is limited per caller, in PostgreSQL: a lost cache does not open the door."""

from __future__ import annotations

from uriba.core.errors import LimitExceeded
from uriba.db import Session


async def take_turn(session: Session, *, caller: str) -> None:
    """Have a caller's tries follow each other until the transaction ends."""
    await session.run("SELECT pg_advisory_xact_lock(hashtextextended('uriba.guesses:' || $1, 0))", caller)


async def check(session: Session, *, caller: str, guesses_max: int, term_s: int) -> None:
    """Wait for the caller's turn: whoever guesses many codes at once guesses them one after the other.

    Errors: `LimitExceeded` for a caller that gave too many wrong codes lately.
    """
    await take_turn(session, caller=caller)
    guesses: int | None = await session.fetchval(
        "SELECT guesses FROM handoff_guess WHERE caller = $1 AND since > now() - make_interval(secs => $2)",
        caller,
        term_s,
    )
    if guesses is not None and guesses >= guesses_max:
        raise LimitExceeded("Too many wrong codes. Wait some minutes before the next try.", "code")


async def record(session: Session, *, caller: str, term_s: int) -> None:
    """Count one wrong code, in the transaction of its `check`; the count begins anew after the term."""
    await session.run(
        "INSERT INTO handoff_guess AS g (caller) VALUES ($1) ON CONFLICT (caller) DO UPDATE SET "
        "guesses = CASE WHEN g.since > now() - make_interval(secs => $2) THEN g.guesses + 1 ELSE 1 END, "
        "since = CASE WHEN g.since > now() - make_interval(secs => $2) THEN g.since ELSE now() END",
        caller,
        term_s,
    )


async def forget(session: Session, *, older_than_s: int) -> int:
    rows = await session.fetch(
        "DELETE FROM handoff_guess WHERE since < now() - make_interval(secs => $1) RETURNING 1", older_than_s
    )
    return len(rows)
