"""Handoff codes that are used, expired or guessed, and how often a caller may guess."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.client import Client
from tests.support.invalid_inputs import CLAIM, HANDOFF
from tests.support.shop import Shop
from uriba.access import guess_limits

if TYPE_CHECKING:
    from tests.support.hub import RunningHub
    from tests.support.table_rows import Unchanged

UNKNOWN = "22222222"


async def hand_off(client: Client, cart: dict[str, Any]) -> str:
    payload = await client.mutate(HANDOFF, cartId=cart["id"])
    assert payload["errors"] == []
    code: str = payload["code"]
    return code


async def claim(client: Client, code: str) -> list[tuple[str, list[str]]]:
    payload = await client.mutate(CLAIM, code=code)
    assert (payload["cart"] is None) == bool(payload["errors"])
    return [(error["code"], error["path"]) for error in payload["errors"]]


async def test_refuses_a_used_code(shop: Shop, unchanged: Unchanged) -> None:
    till, other = await shop.terminal(), await shop.terminal("S2")
    code = await hand_off(shop.guest(), await shop.create_cart(shop.guest(), TEA=1))
    assert await claim(till, code) == []

    async with unchanged():
        assert await claim(other, code) == [("CODE_EXPIRED", ["code"])]
        assert await claim(till, code) == [("CODE_EXPIRED", ["code"])]


async def test_refuses_an_expired_code(shop: Shop, hub: RunningHub, unchanged: Unchanged) -> None:
    till = await shop.terminal()
    code = await hand_off(shop.guest(), await shop.create_cart(shop.guest(), TEA=1))
    async with hub.database.transaction() as session:
        await session.run("UPDATE handoff SET expires_at = now() WHERE expires_at > now()")

    async with unchanged():
        assert await claim(till, code) == [("CODE_EXPIRED", ["code"])]


async def test_refuses_an_unknown_code(shop: Shop, unchanged: Unchanged) -> None:
    till = await shop.terminal()

    async with unchanged():
        for code in (UNKNOWN, "", " ", "x" * 10_000, "コード", "URIBA:CART:", "'; --"):
            assert await claim(till, code) == [("NOT_FOUND", ["code"])]


async def test_another_customers_code_is_answered_like_an_unknown_one(shop: Shop, unchanged: Unchanged) -> None:
    hana, ken = await shop.customer("HANA"), await shop.customer("KEN")
    code = await hand_off(hana, await shop.create_cart(hana, TEA=1))

    async with unchanged():
        theirs, nones = [await ken.mutate(CLAIM, code=value) for value in (code, UNKNOWN)]

    assert theirs == nones
    assert await claim(hana, code) == []


async def test_a_caller_may_guess_ten_times(shop: Shop, unchanged: Unchanged) -> None:
    till, other = await shop.terminal(), await shop.terminal()
    code = await hand_off(shop.guest(), await shop.create_cart(shop.guest(), TEA=1))

    async with unchanged():
        guesses = [await claim(till, UNKNOWN) for _ in range(11)]
        right = await claim(till, code)

    assert guesses == [[("NOT_FOUND", ["code"])]] * 10 + [[("LIMIT_EXCEEDED", ["code"])]]
    assert right == [("LIMIT_EXCEEDED", ["code"])]
    assert await claim(other, code) == []


async def test_a_caller_that_guesses_concurrently_may_guess_ten_times(shop: Shop, unchanged: Unchanged) -> None:
    till = await shop.terminal()

    async with unchanged():
        answers = await asyncio.gather(*(claim(till, UNKNOWN) for _ in range(30)))

    assert Counter(code for ((code, _),) in answers) == {"NOT_FOUND": 10, "LIMIT_EXCEEDED": 20}


async def test_without_the_lock_concurrent_guesses_exceed_the_limit(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def without_lock(*_: Any, **__: Any) -> None:
        return

    monkeypatch.setattr(guess_limits, "take_turn", without_lock)
    till = await shop.terminal()

    answers = await asyncio.gather(*(claim(till, UNKNOWN) for _ in range(30)))

    assert Counter(code for ((code, _),) in answers)["NOT_FOUND"] > 10


async def test_used_codes_count_as_guesses_and_successful_claims_do_not(shop: Shop) -> None:
    till, guest = await shop.terminal(), shop.guest()
    cart = await shop.create_cart(guest, TEA=1)
    codes = [await hand_off(guest, cart) for _ in range(12)]

    claims = [await claim(till, code) for code in codes]
    again = [await claim(till, codes[0]) for _ in range(11)]

    assert claims == [[]] * 12
    assert again == [[("CODE_EXPIRED", ["code"])]] * 10 + [[("LIMIT_EXCEEDED", ["code"])]]


async def test_guesses_are_not_counted_after_the_term(shop: Shop, hub: RunningHub) -> None:
    till = await shop.terminal()
    for _ in range(11):
        last = await claim(till, UNKNOWN)
    assert last == [("LIMIT_EXCEEDED", ["code"])]

    async with hub.database.transaction() as session:
        await session.run("UPDATE handoff_guess SET since = since - make_interval(secs => $1)", 601)

    assert [await claim(till, UNKNOWN) for _ in range(11)] == [[("NOT_FOUND", ["code"])]] * 10 + [last]
