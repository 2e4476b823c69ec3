"""Many at once: a gift card and an account pay exactly what is on them, and their ledgers say so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from purses import (
    ACTOR,
    account,
    balance,
    card,
    code,
    customer,
    debit,
    earn,
    give_back,
    lines,
    pay,
    refund,
    reverse,
    terms,
)

from uriba.core.ids import new_id
from uriba.stored_value import tenders
from uriba.stored_value.errors import NotEnough, TenderRefused
from waiting import backend_pid, wait_until_blocked

if TYPE_CHECKING:
    from shop import Shop

CARD, POINTS = "GIFT_CARD", "POINTS"
AT_ONCE = 50
AT_ONCE_UNGUARDED = 4


async def outcomes(work: Callable[[int], Awaitable[object]], times: int = AT_ONCE) -> list[str]:
    """The names of what became of each: `ok`, or its refusal. Anything else is raised."""
    ends = await asyncio.gather(*(work(n) for n in range(times)), return_exceptions=True)
    if faults := [end for end in ends if isinstance(end, BaseException) and not isinstance(end, TenderRefused)]:
        raise faults[0]
    return [type(end).__name__ if isinstance(end, TenderRefused) else "ok" for end in ends]


async def test_a_card_at_fifty_tills_pays_what_is_on_it(shop: Shop) -> None:
    issued = await card(shop, "1000")

    ends = await outcomes(lambda _: pay(shop, (CARD, 70, code(issued))))

    assert (ends.count("ok"), ends.count("NotEnough")) == (14, 36)
    assert await balance(shop, issued) == 20
    assert await lines(shop, issued) == [("ISSUE", 1000)] + [("REDEEM", -70)] * 14


async def test_without_the_condition_a_card_pays_more_than_is_on_it(shop: Shop) -> None:
    issued = await card(shop, "1000")
    looked, paid = asyncio.Barrier(AT_ONCE_UNGUARDED), 0

    async def look_then_take() -> None:
        nonlocal paid
        async with shop.hub.database.transaction() as session:
            there = await session.fetchval("SELECT balance_minor FROM gift_card WHERE id = $1", issued.id)
            await looked.wait()
            if there >= 700:
                paid += 700
                await session.run("UPDATE gift_card SET balance_minor = $2 WHERE id = $1", issued.id, there - 700)

    await asyncio.gather(*(look_then_take() for _ in range(AT_ONCE_UNGUARDED)))
    left = await _mend(shop, issued.id)

    assert (paid, left) == (700 * AT_ONCE_UNGUARDED, 300)


async def _mend(shop: Shop, card_id: UUID) -> int:
    """What the race left on the card; afterwards the card is what its ledger says."""
    async with shop.hub.database.transaction() as session:
        left = await session.fetchval("SELECT balance_minor FROM gift_card WHERE id = $1", card_id)
        await session.run("UPDATE gift_card SET balance_minor = 1000 WHERE id = $1", card_id)
    return int(left)


async def test_a_second_till_waits_for_the_first_and_is_told_what_is_left(shop: Shop) -> None:
    issued = await card(shop, "1000")
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
    assert isinstance(end, NotEnough)
    assert "¥400" in str(end)
    assert await balance(shop, issued) == 400


async def test_a_second_till_gets_what_the_first_gives_up(shop: Shop) -> None:
    issued = await card(shop, "1000")
    started = asyncio.get_running_loop().create_future()

    async def second() -> list[str]:
        async with shop.hub.database.transaction() as session:
            started.set_result(await backend_pid(session))
            return await debit(session, (CARD, 600, code(issued)), order_id=new_id())

    class GivenUp(Exception):
        pass

    try:
        async with shop.hub.database.transaction() as session:
            await debit(session, (CARD, 600, code(issued)), order_id=new_id())
            later = asyncio.create_task(second())
            await wait_until_blocked(shop.hub.database, await started)
            raise GivenUp
    except GivenUp:
        pass

    assert len(await later) == 1
    assert await balance(shop, issued) == 400


async def test_points_at_fifty_doors_pay_what_is_there(shop: Shop) -> None:
    hana, channel = await customer(shop, with_points=1000), await terms(shop, value=10)

    ends = await outcomes(lambda _: pay(shop, (POINTS, 700, None), customer_id=hana, channel_id=channel))

    assert (ends.count("ok"), ends.count("NotEnough")) == (14, 36)
    assert await account(shop, hana) == (20, 0)


async def test_cards_and_points_in_any_order_never_wait_for_each_other_in_a_ring(shop: Shop) -> None:
    cards = [await card(shop, "1000") for _ in range(4)]
    hana, channel = await customer(shop, with_points=1000), await terms(shop)
    dice = random.Random(7)

    async def shop_with_some(n: int) -> object:
        tenders: list[tuple[str, int, str | None]] = [
            (CARD, 30, code(one)) for one in dice.sample(cards, dice.randint(1, 4))
        ]
        tenders.insert(dice.randint(0, len(tenders)), (POINTS, 30, None))
        return await pay(shop, *tenders, customer_id=hana, channel_id=channel)

    ends = await outcomes(shop_with_some)

    assert ends.count("ok") >= 33
    assert await account(shop, hana) == (1000 - 30 * ends.count("ok"), 0)
    assert all([0 <= await balance(shop, one) < 1000 for one in cards])


async def test_refunds_and_debits_of_the_same_cards_and_points_take_turns(shop: Shop) -> None:
    cards = [await card(shop, "5000") for _ in range(3)]
    hana, channel = await customer(shop, with_points=5000), await terms(shop)
    payments: list[tuple[str, int, str | None]] = [
        (POINTS, 10, None),
        *((CARD, 10, code(one)) for one in sorted(cards, key=lambda one: one.id, reverse=True)),
    ]

    async def pay_and_go_back(n: int) -> None:
        order_id = new_id()
        references = await pay(shop, *payments, order_id=order_id, customer_id=hana, channel_id=channel)
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

    assert set(await outcomes(pay_and_go_back)) == {"ok"}
    assert [await balance(shop, one) for one in cards] == [5000] * 3
    assert await account(shop, hana) == (5000, 0)


async def test_one_refund_asked_for_fifty_times_at_once_is_one(shop: Shop) -> None:
    issued, order_id, operation = await card(shop, "1000"), new_id(), uuid4()
    hana, channel = await customer(shop, with_points=100), await terms(shop)
    references = await pay(
        shop, (CARD, 900, code(issued)), (POINTS, 90, None), order_id=order_id, customer_id=hana, channel_id=channel
    )
    second = uuid4()

    async def both(n: int) -> None:
        await refund(shop, order_id, CARD, references[0], 450, operation)
        await refund(shop, order_id, POINTS, references[1], 45, second)

    assert set(await outcomes(both)) == {"ok"}
    assert await balance(shop, issued) == 550
    assert await account(shop, hana) == (55, 0)


async def test_what_came_to_nothing_is_given_back_once_by_fifty(shop: Shop) -> None:
    issued, order_id = await card(shop, "1000"), new_id()
    hana, channel = await customer(shop, with_points=100), await terms(shop)
    await pay(
        shop, (CARD, 900, code(issued)), (POINTS, 90, None), order_id=order_id, customer_id=hana, channel_id=channel
    )

    assert set(await outcomes(lambda _: give_back(shop, order_id))) == {"ok"}

    assert await balance(shop, issued) == 1000
    assert await account(shop, hana) == (100, 0)


async def test_earning_spending_and_bringing_back_at_once_leave_a_true_account(shop: Shop) -> None:
    hana, channel = await customer(shop, with_points=500), await terms(shop, per_unit="0.01")
    orders = [new_id() for _ in range(AT_ONCE)]

    async def buy(order_id: UUID) -> None:
        await earn(shop, order_id, hana, channel, total=1000, money=1000)
        await reverse(shop, order_id, 400)

    async def spend(n: int) -> object:
        await buy(orders[n])
        return await pay(shop, (POINTS, 20, None), customer_id=hana, channel_id=channel)

    ends = await outcomes(spend)
    await asyncio.gather(*(earn(shop, one, hana, channel, total=1000, money=1000) for one in orders * 2))

    have, owed = await account(shop, hana)
    assert have - owed == 500 + 6 * AT_ONCE - 20 * ends.count("ok")
    assert owed == 0
