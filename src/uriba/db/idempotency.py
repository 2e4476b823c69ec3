"""Idempotency keys: a repeated call returns the first answer, and its effect happens once.

    outcome = await idempotency.once(database, call, work)

The key's row (caller, operation, key) is written in the transaction of the effect, with its last statement: both are
committed, or neither is. A second call does the same work and fails on the key's row, or is refused because the first
call has changed what it needs; either way it is rolled back, the key is looked up, and the first answer is returned.
Refusals leave no row: a refused call has changed nothing, so its key is free.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
import msgspec

from uriba.core import digests
from uriba.core.errors import DomainError, IdempotencyKeyReused
from uriba.core.text import text
from uriba.db.session import Database, Session
from uriba.db.statements import statement

T = TypeVar("T")

KEY_SIZE_MAX = 255


@dataclass(frozen=True, slots=True)
class Call:
    """A call as its idempotency key identifies it. `key` None: the caller has sent no key, and nothing is recorded."""

    caller: str
    operation: str
    key: str | None
    content: object

    @classmethod
    def of(cls, *, caller: str, operation: str, key: str | None, content: object) -> Call:
        """Errors: `Invalid` for a key that is empty, over 255 characters or holds control characters."""
        if key is not None:
            key = text(key, "idempotencyKey", size_max=KEY_SIZE_MAX)
        return cls(caller, operation, key, content)


WITHOUT_KEY = Call("", "", None, None)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The call was made before with the same key and input; this is the answer it got."""

    answer: Any


async def once(
    database: Database, call: Call, work: Callable[[Session], Awaitable[T]], *, answer: object = True
) -> T | Replayed:
    """Run `work` in a transaction that records the key with its answer; where the call was made before, replay that.

    `work` takes the transaction's session; it may commit by itself as its last act. `answer` is kept as JSON.

    Errors: those of `work`, `IdempotencyKeyReused` for the same key with another input.
    """
    try:
        async with database.transaction() as session:
            record(session, call, answer=answer)
            return await work(session)
    except (DomainError, asyncpg.UniqueViolationError) as error:
        if call.key is None or not (isinstance(error, DomainError) or error.constraint_name == _CONSTRAINT):
            raise
        async with database.reading() as session:
            earlier = await find(session, call)
        if earlier is None:
            raise
        return earlier


def record(session: Session, call: Call, *, answer: object) -> None:
    """Record the key with the last statement of this transaction. Does nothing for a call without a key."""
    if call.key is not None:
        session.key = session.defer(
            _RECORD,
            caller=call.caller,
            operation=call.operation,
            key=call.key,
            digest=digests.digest(call.content),
            answer=msgspec.json.encode(answer).decode(),
        )


def release(session: Session) -> None:
    """Do not record the key: the call is refused, although its transaction commits something, such as a wrong guess."""
    if session.key is not None:
        session.withdraw(session.key)
        session.key = None


async def find(session: Session, call: Call) -> Replayed | None:
    """Return the recorded answer of this call; None if it was not made before.

    Errors: `IdempotencyKeyReused` where its key was used with another input.
    """
    if call.key is None:
        return None
    row = await session.fetchrow(_FIND, caller=call.caller, operation=call.operation, key=call.key)
    if row is None:
        return None
    if not digests.matches(row["digest"], call.content):
        raise IdempotencyKeyReused("This idempotencyKey was used with another input.", "idempotencyKey")
    return Replayed(row["answer"])


async def forget(session: Session, *, older_than_s: int) -> int:
    """Delete keys that are older than their term; return how many."""
    return len(await session.fetch(_FORGET, older_than_s=older_than_s))


_CONSTRAINT = "pk_idempotency_key"

_RECORD = statement("""
    INSERT INTO idempotency_key (caller, operation, key, digest, answer)
    VALUES (:caller, :operation, :key, :digest, :answer::jsonb)
""")

_FIND = statement("""
    SELECT digest, answer FROM idempotency_key WHERE (caller, operation, key) = (:caller, :operation, :key)
""")

_FORGET = statement("""
    DELETE FROM idempotency_key WHERE created_at < now() - make_interval(secs => :older_than_s) RETURNING 1
""")

__all__ = ["WITHOUT_KEY", "Call", "Replayed", "find", "forget", "once", "record", "release"]
