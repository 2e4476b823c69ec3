"""Concurrent use: gift cards and points pay exactly their balance, and their ledgers add up to it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from tests.support.stored_value import (
    ACTOR,
    balance,
    card_ledger,
    code,
    create_customer,
    debit,
    debit_and_commit,
    earn,
    issue_card,
    points_account,
    refund,
    reverse,
    set_points_terms,
    undo_debits,
)
from tests.support.waiting import backend_pid, wait_until_blocked
from uriba.core.ids import new_id
from uriba.stored_value import tenders
from uriba.stored_value.errors import InsufficientBalance, TenderRefused

if TYPE_CHECKING:
    from tests.support.shop import Shop

CARD, POINTS = "GIFT_CARD", "POINTS"
AT_ONCE = 50
AT_ONCE_UNGUARDED = 4


async def outcomes(work: Callable[[int], Awaitable[object]], times: int = AT_ONCE) -> list[str]:
    """Run the work concurrently; return `ok` or the name of the refusal for each. Other errors are raised."""
    ends = await asyncio.gather(*(work(n) for n in range(times)), return_exceptions=True)
    if faults := [end for end in ends if isinstance(end, BaseException) and not isinstance(end, TenderRefused)]:
        raise faults[0]
    return [type(end).__name__ if isinstance(end, TenderRefused) else "ok" for end in ends]


async def test_fifty_concurrent_debits_of_a_card_take_at_most_its_balance(shop: Shop) -> None:
    issued = await issue_card(shop, "1000")

    ends = await outcomes(lambda _: debit_and_commit(shop, (CARD, 70, code(issued))))

    assert (ends.count("ok"), ends.count("InsufficientBalance")) == (14, 36)
    assert await balance(shop, issued) == 20
    assert await card_ledger(shop, issued) == [("ISSUE", 1000)] + [("REDEEM", -70)] * 14


async def test_without_the_condition_concurrent_debits_exceed_the_balance(shop: Shop) -> None:
    issued = await issue_card(shop, "1000")
    all_read, paid = asyncio.Barrier(AT_ONCE_UNGUARDED), 0

    async def read_then_write() -> None:
        nonlocal paid
        async with shop.hub.database.transaction() as session:
            found = await session.fetchval("SELECT balance_minor FROM gift_card WHERE id = $1", issued.id)
            await all_read.wait()
            if found >= 700:
                paid += 700
                await session.run("UPDATE gift_card SET balance_minor = $2 WHERE id = $1", issued.id, found - 700)

    await asyncio.gather(*(read_then_write() for _ in range(AT_ONCE_UNGUARDED)))
    left = await _restore_balance(shop, issued.id)

    assert (paid, left) == (700 * AT_ONCE_UNGUARDED, 300)


async def _restore_balance(shop: Shop, card_id: UUID) -> int:
    """Return the balance after the race, and set it to the sum of the ledger."""
    async with shop.hub.database.transaction() as session:
        left = await session.fetchval("SELECT balance_minor FROM gift_card WHERE id = $1", card_id)
        await session.run("UPDATE gift_card SET balance_minor = 1000 WHERE id = $1", card_id)
    return int(left)


async def test_a_second_debit_waits_for_the_first_and_sees_the_remaining_balance(shop: Shop) -> None:
    issued = await issue_card(shop, "1000")
    started = asyncio.get_running_loop().create_future()

    async def second() -> list[str]:
        async with shop.hub.database.transaction() as session:
            started.set_result(await backend_pid(session))
            return await debit(session, (CARD, 600, code(issued)), order_id=new_id())

    async with shop.hub.database.transaction() as session:
        await debit(session, (CARD, 600, code(issued)), order_id=new_id())
        later = asyncio.create_task(second())
        await wait_until_blocked(shop.hub.database, await started)

    (end,) = await asyncio.gather(later, return_exceptions=True)
    assert isinstance(end, InsufficientBalance)
    assert "¥400" in str(end)
    assert await balance(shop, issued) == 400


async def test_a_second_debit_succeeds_after_the_first_is_rolled_back(shop: Shop) -> None:
    issued = await issue_card(shop, "1000")
    started = asyncio.get_running_loop().create_future()

    async def second() -> list[str]:
        async with shop.hub.database.transaction() as session:
            started.set_result(await backend_pid(session))
            return await debit(session, (CARD, 600, code(issued)), order_id=new_id())

    class RolledBack(Exception):
        pass

    try:
        async with shop.hub.database.transaction() as session:
            await debit(session, (CARD, 600, code(issued)), order_id=new_id())
            later = asyncio.create_task(second())
            await wait_until_blocked(shop.hub.database, await started)
            raise RolledBack
    except RolledBack:
        pass

    assert len(await later) == 1
    assert await balance(shop, issued) == 400


async def test_fifty_concurrent_debits_of_points_take_at_most_the_balance(shop: Shop) -> None:
    hana, channel = await create_customer(shop, with_points=1000), await set_points_terms(shop, value=10)

    ends = await outcomes(lambda _: debit_and_commit(shop, (POINTS, 700, None), customer_id=hana, channel_id=channel))

    assert (ends.count("ok"), ends.count("InsufficientBalance")) == (14, 36)
    assert await points_account(shop, hana) == (20, 0)


async def test_debits_of_cards_and_points_in_any_order_do_not_deadlock(shop: Shop) -> None:
    cards = [await issue_card(shop, "1000") for _ in range(4)]
    hana, channel = await create_customer(shop, with_points=1000), await set_points_terms(shop)
    rng = random.Random(7)

    async def pay_with_some(n: int) -> object:
        tenders: list[tuple[str, int, str | None]] = [
            (CARD, 30, code(one)) for one in rng.sample(cards, rng.randint(1, 4))
        ]
        tenders.insert(rng.randint(0, len(tenders)), (POINTS, 30, None))
        return await debit_and_commit(shop, *tenders, customer_id=hana, channel_id=channel)

    ends = await outcomes(pay_with_some)

    assert ends.count("ok") >= 33
    assert await points_account(shop, hana) == (1000 - 30 * ends.count("ok"), 0)
    assert all([0 <= await balance(shop, one) < 1000 for one in cards])


async def test_refunds_and_debits_of_the_same_cards_and_points_do_not_deadlock(shop: Shop) -> None:
    cards = [await issue_card(shop, "5000") for _ in range(3)]
    hana, channel = await create_customer(shop, with_points=5000), await set_points_terms(shop)
    payments: list[tuple[str, int, str | None]] = [
        (POINTS, 10, None),
        *((CARD, 10, code(one)) for one in sorted(cards, key=lambda one: one.id, reverse=True)),
    ]

    async def pay_and_refund(n: int) -> None:
        order_id = new_id()
        references = await debit_and_commit(shop, *payments, order_id=order_id, customer_id=hana, channel_id=channel)
        async with shop.hub.database.transaction() as session:
            for (method, *_), reference in zip(payments, references, strict=True):
                await tenders.refund(
                    session,
                    order_id=order_id,
                    method=method,
                    reference=reference,
                    amount_minor=10,
                    operation_id=uuid4(),
                    actor=ACTOR,
                )

    assert set(await outcomes(pay_and_refund)) == {"ok"}
    assert [await balance(shop, one) for one in cards] == [5000] * 3
    assert await points_account(shop, hana) == (5000, 0)


async def test_fifty_concurrent_calls_of_one_refund_post_it_once(shop: Shop) -> None:
    issued, order_id, operation = await issue_card(shop, "1000"), new_id(), uuid4()
    hana, channel = await create_customer(shop, with_points=100), await set_points_terms(shop)
    references = await debit_and_commit(
        shop, (CARD, 900, code(issued)), (POINTS, 90, None), order_id=order_id, customer_id=hana, channel_id=channel
    )
    second = uuid4()

    async def both(n: int) -> None:
        await refund(shop, order_id, CARD, references[0], 450, operation)
        await refund(shop, order_id, POINTS, references[1], 45, second)

    assert set(await outcomes(both)) == {"ok"}
    assert await balance(shop, issued) == 550
    assert await points_account(shop, hana) == (55, 0)


async def test_fifty_concurrent_undos_credit_once(shop: Shop) -> None:
    issued, order_id = await issue_card(shop, "1000"), new_id()
    hana, channel = await create_customer(shop, with_points=100), await set_points_terms(shop)
    await debit_and_commit(
        shop, (CARD, 900, code(issued)), (POINTS, 90, None), order_id=order_id, customer_id=hana, channel_id=channel
    )

    assert set(await outcomes(lambda _: undo_debits(shop, order_id))) == {"ok"}

    assert await balance(shop, issued) == 1000
    assert await points_account(shop, hana) == (100, 0)


async def test_concurrent_earning_spending_and_reversing_add_up(shop: Shop) -> None:
    hana, channel = await create_customer(shop, with_points=500), await set_points_terms(shop, per_unit="0.01")
    orders = [new_id() for _ in range(AT_ONCE)]

    async def buy(order_id: UUID) -> None:
        await earn(shop, order_id, hana, channel, total=1000, money=1000)
        await reverse(shop, order_id, 400)

    async def spend(n: int) -> object:
        await buy(orders[n])
        return await debit_and_commit(shop, (POINTS, 20, None), customer_id=hana, channel_id=channel)

    ends = await outcomes(spend)
    await asyncio.gather(*(earn(shop, one, hana, channel, total=1000, money=1000) for one in orders * 2))

    have, owed = await points_account(shop, hana)
    assert have - owed == 500 + 6 * AT_ONCE - 20 * ends.count("ok")
    assert owed == 0
