"""Idempotency keys: a repeated call returns the first answer and takes effect once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.scratch_database import open_scratch_database
from tests.support.waiting import backend_pid, wait_until_blocked
from uriba.core.errors import IdempotencyKeyReused, Invalid
from uriba.db import Database, Session, idempotency
from uriba.db.idempotency import Call, Replayed

if TYPE_CHECKING:
    from tests.support.hub import RunningHub


@pytest.fixture
async def database(hub: RunningHub) -> AsyncIterator[Database]:
    async with open_scratch_database(hub.settings) as (_, found):
        yield found


def call(key: str | None = "key", *, caller: str = "staff:1", operation: str = "adjust", content: Any = 1) -> Call:
    return Call.of(caller=caller, operation=operation, key=key, content=content)


async def first(session: Session) -> str:
    return "first time"


async def once(database: Database, made: Call, answer: object) -> object:
    outcome = await idempotency.once(database, made, first, answer=answer)
    return outcome.answer if isinstance(outcome, Replayed) else None


async def notes(database: Database) -> list[int]:
    async with database.reading() as session:
        return [row["n"] for row in await session.fetch("SELECT n FROM note ORDER BY n")]


async def with_notes(database: Database) -> None:
    async with database.transaction() as session:
        await session.run("CREATE TABLE note (n bigint NOT NULL)")


async def test_the_first_call_is_new_and_the_second_gets_its_answer(database: Database) -> None:
    answers = [await once(database, call(), {"n": n}) for n in range(2)]

    assert answers == [None, {"n": 0}]


async def test_a_key_belongs_to_its_caller_and_its_operation(database: Database) -> None:
    assert await once(database, call(), 1) is None
    assert await once(database, call(caller="staff:2"), 2) is None
    assert await once(database, call(operation="count"), 3) is None


async def test_without_a_key_every_call_takes_effect(database: Database) -> None:
    assert [await once(database, call(None), n) for n in range(2)] == [None, None]


async def test_another_input_is_refused_and_changes_nothing(database: Database) -> None:
    await with_notes(database)
    await once(database, call(content={"a": 1, "b": 2}), 1)

    async def note(session: Session) -> None:
        await session.run("INSERT INTO note VALUES (1)")

    assert await once(database, call(content={"b": 2, "a": 1}), 2) == 1
    with pytest.raises(IdempotencyKeyReused):
        await idempotency.once(database, call(content={"a": 1, "b": 3}), note)
    assert await notes(database) == []


@pytest.mark.parametrize("key", ["", "   ", "x" * 256, "a\x00b", "a\x1fb"])
def test_a_key_is_text_of_at_most_255_characters(key: str) -> None:
    with pytest.raises(Invalid) as refused:
        call(key)

    assert refused.value.problems[0].path == ("idempotencyKey",)


async def test_a_refused_call_leaves_its_key_free(database: Database) -> None:
    async def refuse(session: Session) -> None:
        raise Invalid("No.")

    with pytest.raises(Invalid, match="No"):
        await idempotency.once(database, call(), refuse)

    assert await once(database, call(content="another"), 2) is None


async def test_a_repeated_call_that_is_refused_now_gets_its_first_answer(database: Database) -> None:
    """The first call has changed what it needs, as an ordered cart cannot be ordered again."""
    await with_notes(database)

    async def take_the_only_one(session: Session) -> None:
        if await session.fetchval("SELECT count(*) FROM note"):
            raise Invalid("It is gone.")
        await session.run("INSERT INTO note VALUES (1)")

    assert await idempotency.once(database, call(), take_the_only_one, answer="order") is None
    repeated = await idempotency.once(database, call(), take_the_only_one, answer="another")

    assert repeated == Replayed("order")
    with pytest.raises(Invalid, match="gone"):
        await idempotency.once(database, call("another key"), take_the_only_one)
    with pytest.raises(IdempotencyKeyReused):
        await idempotency.once(database, call(content="another input"), take_the_only_one)


async def test_a_released_key_is_free_although_the_transaction_is_committed(database: Database) -> None:
    await with_notes(database)

    async def keep_a_guess(session: Session) -> None:
        idempotency.release(session)
        await session.run("INSERT INTO note VALUES (1)")

    for _ in range(2):
        assert await idempotency.once(database, call(), keep_a_guess) is None
    assert await notes(database) == [1, 1]


async def test_an_error_that_is_no_refusal_is_not_answered_from_the_key(database: Database) -> None:
    await once(database, call(), "first")

    async def fail(session: Session) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await idempotency.once(database, call(), fail)


@pytest.mark.parametrize("first_stands", [True, False])
async def test_a_second_call_waits_for_the_first_and_takes_its_answer_or_its_place(
    database: Database, first_stands: bool
) -> None:
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def second(session: Session) -> str:
        pid.set_result(await backend_pid(session))
        return "done"

    waiting = None
    try:
        async with database.transaction() as session:
            idempotency.record(session, call(), answer="first")
            await session.flush()
            waiting = asyncio.create_task(idempotency.once(database, call(), second, answer="second"))
            await wait_until_blocked(database, await pid)
            if not first_stands:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass

    assert waiting is not None
    assert await waiting == (Replayed("first") if first_stands else "done")


async def test_of_concurrent_calls_with_one_key_one_takes_effect(database: Database) -> None:
    await with_notes(database)

    async def note(session: Session, n: int) -> None:
        await session.run("INSERT INTO note VALUES ($1)", n)

    outcomes = await asyncio.gather(
        *(idempotency.once(database, call(), partial(note, n=n), answer=n) for n in range(20))
    )

    assert outcomes.count(None) == 1
    first = outcomes.index(None)
    assert {outcome.answer for outcome in outcomes if outcome is not None} == {first}
    assert await notes(database) == [first]
