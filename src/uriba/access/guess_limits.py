"""Limits on guessing codes: of handoffs, coupons and gift cards.

Wrong codes are counted per guesser in PostgreSQL, so that the limit does not depend on a cache. An operation with a
wrong code is refused, but the count is committed: `attempt` therefore keeps the error instead of raising it, and
`Attempt.result` raises it after the commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar, cast
from uuid import UUID

from uriba.config import Settings
from uriba.core.actor import Actor
from uriba.core.errors import DomainError, LimitExceeded
from uriba.db import Database, Session, idempotency
from uriba.db.idempotency import WITHOUT_KEY, Call, Replayed
from uriba.db.statements import statement

T = TypeVar("T")

WrongErrors = type[DomainError] | tuple[type[DomainError], ...]


class CodeKind(StrEnum):
    """The kinds of codes; wrong ones are counted separately."""

    HANDOFF = "handoff"
    COUPON = "coupon"
    GIFT_CARD = "gift_card"


@dataclass(frozen=True, slots=True)
class GuessLimit:
    """How many wrong codes a guesser may enter within a term."""

    guesser: str
    guesses_max: int
    term_s: int

    @classmethod
    def of(cls, settings: Settings, kind: CodeKind, actor: Actor, *, cart_id: UUID | None = None) -> GuessLimit:
        """Return the limit of a caller.

        One key of the retailer serves the carts of many customers, so its guesses are counted by cart if there is one.
        """
        guesser = f"{kind}:{actor.caller}"
        if cart_id is not None and actor.works_here:
            guesser = f"{guesser}:{cart_id}"
        return cls(guesser, settings.handoff_guesses_max, settings.handoff_term_s)


@dataclass(frozen=True, slots=True)
class Attempt(Generic[T]):
    """The result of work with a code, or the error of a wrong one, which is counted."""

    value: T | None = None
    error: DomainError | None = None

    def result(self) -> T:
        """Return the result, or raise the error; to be called after the commit."""
        if self.error is not None:
            raise self.error
        return cast(T, self.value)


async def attempt(
    session: Session,
    limit: GuessLimit,
    work: Callable[[Session], Awaitable[T]],
    *,
    wrong: WrongErrors = (),
    call: Call = WITHOUT_KEY,
) -> Attempt[T] | Replayed:
    """Run `work` with a code, and count a wrong one: an error of `wrong`, or None as the result.

    `work` raises these errors before it changes anything. Attempts of one guesser run one after the other. The code of
    a `call` that succeeded before is not counted, even if the code is wrong by now: the first answer is returned.

    Errors: `LimitExceeded` for a guesser that has entered too many wrong codes.
    """
    await _check(session, limit)
    try:
        result = await work(session)
    except wrong as error:
        idempotency.release(session)
        if (earlier := await idempotency.find(session, call)) is not None:
            return earlier
        await _count(session, limit)
        return Attempt(error=error)
    if result is None:
        await _count(session, limit)
    return Attempt(result)


@asynccontextmanager
async def count_wrong_codes_and_commit(
    database: Database, limit: GuessLimit, *, wrong: WrongErrors
) -> AsyncIterator[None]:
    """Check the limit before the block, and count an error of `wrong` after it, each in a transaction of its own.

    For work that has several transactions. Concurrent attempts of one guesser may exceed the limit by their number.

    Errors: `LimitExceeded`, and those of the block.
    """
    async with database.transaction() as session:
        await _check(session, limit)
    try:
        yield
    except wrong:
        async with database.transaction() as session:
            await _count(session, limit)
        raise


async def _check(session: Session, limit: GuessLimit) -> None:
    await take_turn(session, guesser=limit.guesser)
    guesses: int | None = await session.fetchval(_GUESSES, caller=limit.guesser, term_s=limit.term_s)
    if guesses is not None and guesses >= limit.guesses_max:
        raise LimitExceeded("Too many wrong codes. Wait some minutes before the next try.", "code")


async def take_turn(session: Session, *, guesser: str) -> None:
    """Wait for other attempts of this guesser, and let others wait until the transaction ends."""
    await session.run(_LOCK, caller=guesser)


async def _count(session: Session, limit: GuessLimit) -> None:
    await session.run(_COUNT, caller=limit.guesser, term_s=limit.term_s)


async def forget(session: Session, *, older_than_s: int) -> int:
    """Delete counts that are older than their term; return how many."""
    return len(await session.fetch(_FORGET, older_than_s=older_than_s))


_LOCK = statement("SELECT pg_advisory_xact_lock(hashtextextended('uriba.guesses:' || :caller, 0))")

_GUESSES = statement("""
    SELECT guesses FROM handoff_guess WHERE caller = :caller AND since > now() - make_interval(secs => :term_s)
""")

_COUNT = statement("""
    INSERT INTO handoff_guess AS g (caller) VALUES (:caller) ON CONFLICT (caller) DO UPDATE SET
        guesses = CASE WHEN g.since > now() - make_interval(secs => :term_s) THEN g.guesses + 1 ELSE 1 END,
        since = CASE WHEN g.since > now() - make_interval(secs => :term_s) THEN g.since ELSE now() END
""")

_FORGET = statement("""
    DELETE FROM handoff_guess WHERE since < now() - make_interval(secs => :older_than_s) RETURNING 1
""")
