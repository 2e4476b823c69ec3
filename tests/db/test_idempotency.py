"""Keys: the same call again gives the first answer again, and does nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from patience import backend, is_blocked
from scratch import scratch_hub
from uriba.core.errors import IdempotencyKeyReused, Invalid
from uriba.db import Database, idempotency
from uriba.db.idempotency import Claim

if TYPE_CHECKING:
    from conftest import RunningHub


@pytest.fixture
async def database(hub: RunningHub) -> AsyncIterator[Database]:
    async with scratch_hub(hub.settings) as (_, found):
        yield found


def claim(key: str | None = "key", *, caller: str = "staff:1", operation: str = "adjust", content: Any = 1) -> Claim:
    return Claim.of(caller=caller, operation=operation, key=key, content=content)


async def begin(database: Database, wanted: Claim, answer: object) -> object:
    async with database.transaction() as session:
        return await idempotency.begin(session, wanted, answer=answer)


async def test_the_first_call_is_new_and_the_second_gets_its_answer(database: Database) -> None:
    answers = [await begin(database, claim(), {"n": n}) for n in range(2)]

    assert answers == [None, {"n": 0}]


async def test_a_key_belongs_to_its_caller_and_its_operation(database: Database) -> None:
    assert await begin(database, claim(), 1) is None
    assert await begin(database, claim(caller="staff:2"), 2) is None
    assert await begin(database, claim(operation="count"), 3) is None


async def test_without_a_key_nothing_is_promised(database: Database) -> None:
    assert [await begin(database, claim(None), n) for n in range(2)] == [None, None]


async def test_another_input_is_refused(database: Database) -> None:
    await begin(database, claim(content={"a": 1, "b": 2}), 1)

    assert await begin(database, claim(content={"b": 2, "a": 1}), 2) == 1
    with pytest.raises(IdempotencyKeyReused):
        await begin(database, claim(content={"a": 1, "b": 3}), 3)


@pytest.mark.parametrize("key", ["", "   ", "x" * 256, "a\x00b", "a\x1fb"])
def test_a_key_is_text_of_at_most_255_characters(key: str) -> None:
    with pytest.raises(Invalid) as refused:
        claim(key)

    assert refused.value.problems[0].path == ("idempotencyKey",)


async def test_a_refused_call_leaves_its_key_free(database: Database) -> None:
    with pytest.raises(Invalid):
        async with database.transaction() as session:
            assert await idempotency.begin(session, claim(), answer=1) is None
            raise Invalid("No.")

    assert await begin(database, claim(content="another"), 2) is None


@pytest.mark.parametrize("first_stands", [True, False])
async def test_a_second_call_waits_for_the_first_and_takes_its_answer_or_its_place(
    database: Database, first_stands: bool
) -> None:
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def second() -> object:
        async with database.transaction() as session:
            pid.set_result(await backend(session))
            return await idempotency.begin(session, claim(), answer="second")

    waiting = None
    try:
        async with database.transaction() as session:
            await idempotency.begin(session, claim(), answer="first")
            waiting = asyncio.create_task(second())
            await is_blocked(database, await pid)
            if not first_stands:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass

    assert waiting is not None
    assert await waiting == ("first" if first_stands else None)


async def test_of_a_crowd_with_one_key_one_is_new(database: Database) -> None:
    answers = await asyncio.gather(*(begin(database, claim(), n) for n in range(20)))

    assert answers.count(None) == 1
    first = answers.index(None)
    assert set(answers) - {None} == {first}
