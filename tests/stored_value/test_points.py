"""Points: earned with money, spent like money, taken back with the goods; never below zero."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from purses import ACTOR, account, card, code, customer, earn, give_back, pay, refund, reverse, story, terms

from uriba.core.errors import DomainError, Invalid, InvalidQuantity, InvalidState, NotFound
from uriba.core.ids import new_id
from uriba.db import idempotency
from uriba.db.idempotency import Call
from uriba.stored_value import points
from uriba.stored_value.errors import NotEnough, TenderRefused
from uriba.stored_value.points import Earning

if TYPE_CHECKING:
    from shop import Shop

POINTS = "POINTS"


async def test_points_are_earned_for_money_once_per_order(shop: Shop) -> None:
    hana, channel, order_id = await customer(shop), await terms(shop, per_unit="0.01"), new_id()

    for _ in range(2):
        await earn(shop, order_id, hana, channel, total=13582, money=13582)

    assert await account(shop, hana) == (135, 0)
    assert await story(shop, hana) == [("EARN", 135)]


async def test_what_points_and_gift_cards_paid_earns_nothing(shop: Shop) -> None:
    hana, channel = await customer(shop), await terms(shop, per_unit="0.01")

    await earn(shop, new_id(), hana, channel, total=10_000, money=4_000)
    await earn(shop, new_id(), hana, channel, total=10_000, money=0)

    assert await account(shop, hana) == (40, 0)


async def test_many_orders_earn_at_once(shop: Shop) -> None:
    hana, ken, channel = await customer(shop), await customer(shop, "KEN"), await terms(shop, per_unit="0.01")
    orders = [
        Earning(new_id(), who, channel, "JPY", total_minor=yen, money_minor=yen)
        for who, yen in ((hana, 1000), (ken, 2000), (hana, 500), (None, 9000), (ken, 99))
    ]

    for _ in range(2):
        async with shop.hub.database.transaction() as session:
            await points.earn_all(session, orders, actor=ACTOR)

    assert await account(shop, hana) == (15, 0)
    assert await account(shop, ken) == (20, 0)


async def test_nobody_and_a_channel_without_points_earn_nothing(shop: Shop) -> None:
    hana, channel = await customer(shop), await terms(shop, per_unit="0")

    await earn(shop, new_id(), hana, channel, total=10_000, money=10_000)
    await earn(shop, new_id(), None, await terms(shop, per_unit="1"), total=10_000, money=10_000)

    assert await account(shop, hana) == (0, 0)
    assert await story(shop, hana) == []


async def test_nobody_has_more_points_than_an_api_can_say(shop: Shop) -> None:
    hana, channel = await customer(shop), await terms(shop, per_unit="9999.9999")

    for _ in range(2):
        await earn(shop, new_id(), hana, channel, total=10**12, money=10**12)

    assert await account(shop, hana) == (points.POINTS_MAX, 0)


async def test_points_pay_what_they_are_worth(shop: Shop) -> None:
    hana, channel = await customer(shop, with_points=100), await terms(shop, value=5)

    (reference,) = await pay(shop, (POINTS, 300, None), customer_id=hana, channel_id=channel)

    assert reference == "60 points"
    assert await account(shop, hana) == (40, 0)


async def test_points_that_are_not_there_pay_nothing(shop: Shop) -> None:
    hana, ken = await customer(shop, with_points=100), await customer(shop, "KEN")
    channel = await terms(shop, value=5)

    with pytest.raises(NotEnough, match="has 100 points, this takes 101"):
        await pay(shop, (POINTS, 300, None), (POINTS, 205, None), customer_id=hana, channel_id=channel)
    with pytest.raises(NotEnough, match="has 0 points"):
        await pay(shop, (POINTS, 5, None), customer_id=ken, channel_id=channel)
    with pytest.raises(Invalid) as broken:
        await pay(shop, (POINTS, 7, None), customer_id=hana, channel_id=channel)
    with pytest.raises(Invalid) as nobody:
        await pay(shop, (POINTS, 5, None), customer_id=None, channel_id=channel)

    assert broken.value.problems[0].path == ("payments", "0", "amount", "amount")
    assert nobody.value.problems[0].path == ("payments", "0", "method")
    assert await account(shop, hana) == (100, 0)


async def test_a_channel_that_takes_no_points_takes_none(shop: Shop) -> None:
    hana, channel = await customer(shop, with_points=100), await terms(shop, value=0)

    with pytest.raises(TenderRefused) as refused:
        await pay(shop, (POINTS, 5, None), customer_id=hana, channel_id=channel)

    assert refused.value.problems[0].path == ("payments", "0", "method")


async def test_a_card_is_whole_again_where_the_points_fall_short(shop: Shop) -> None:
    hana, channel = await customer(shop, with_points=10), await terms(shop)
    issued = await card(shop, "1000")

    with pytest.raises(NotEnough) as refused:
        await pay(shop, (POINTS, 11, None), ("GIFT_CARD", 600, code(issued)), customer_id=hana, channel_id=channel)
    references = await pay(
        shop, (POINTS, 10, None), ("GIFT_CARD", 600, code(issued)), customer_id=hana, channel_id=channel
    )

    assert refused.value.problems[0].path == ("payments", "0", "amount")
    assert references[0] == "10 points"
    assert references[1].endswith(str(issued.id))


async def test_an_order_that_came_to_nothing_gives_points_back_once(shop: Shop) -> None:
    hana, channel, order_id = await customer(shop, with_points=100), await terms(shop), new_id()
    await pay(shop, (POINTS, 30, None), (POINTS, 40, None), customer_id=hana, channel_id=channel, order_id=order_id)

    for _ in range(3):
        await give_back(shop, order_id)

    assert await account(shop, hana) == (100, 0)
    assert await story(shop, hana) == [("ADJUST", 100), ("REDEEM", -70), ("GIVE_BACK", 70)]


async def test_a_refund_gives_points_back_in_proportion_and_once(shop: Shop) -> None:
    hana, channel, order_id = await customer(shop, with_points=3), await terms(shop, value=100), new_id()
    (reference,) = await pay(shop, (POINTS, 300, None), customer_id=hana, channel_id=channel, order_id=order_id)
    operation = uuid4()

    for _ in range(2):
        await refund(shop, order_id, POINTS, reference, 149, operation)
    assert await account(shop, hana) == (1, 0)
    with pytest.raises(InvalidState):
        await refund(shop, order_id, POINTS, reference, 152)
    await refund(shop, order_id, POINTS, reference, 151)

    assert await account(shop, hana) == (3, 0)
    with pytest.raises(InvalidState):
        await refund(shop, order_id, POINTS, reference, 1)
    with pytest.raises(InvalidState):
        await refund(shop, new_id(), POINTS, reference, 1)


async def test_goods_that_come_back_take_their_points(shop: Shop) -> None:
    hana, channel, order_id = await customer(shop), await terms(shop, per_unit="0.01"), new_id()
    await earn(shop, order_id, hana, channel, total=1000, money=1000)

    for _ in range(3):
        await reverse(shop, order_id, 333)
    assert await account(shop, hana) == (0, 0)
    await reverse(shop, order_id, 1)
    await reverse(shop, order_id, 500)

    assert await story(shop, hana) == [("EARN", 10), ("REVERSE", -3), ("REVERSE", -4), ("REVERSE", -3), ("REVERSE", 0)]
    assert await account(shop, hana) == (0, 0)


async def test_an_order_that_earned_nothing_takes_nothing(shop: Shop) -> None:
    hana = await customer(shop, with_points=10)

    await reverse(shop, new_id(), 333)

    assert await account(shop, hana) == (10, 0)


async def test_points_that_were_spent_before_stay_owed(shop: Shop) -> None:
    hana, channel, order_id = await customer(shop), await terms(shop, per_unit="0.01"), new_id()
    await earn(shop, order_id, hana, channel, total=10_000, money=10_000)
    await pay(shop, (POINTS, 70, None), customer_id=hana, channel_id=channel)

    await reverse(shop, order_id, 10_000)
    assert await account(shop, hana) == (0, 70)
    await earn(shop, new_id(), hana, channel, total=5_000, money=5_000)
    assert await account(shop, hana) == (0, 20)
    await earn(shop, new_id(), hana, channel, total=5_000, money=5_000)

    assert await account(shop, hana) == (30, 0)


async def test_points_are_adjusted_once_and_not_below_zero(shop: Shop) -> None:
    hana = await customer(shop)

    async def adjust(by: int, key: str) -> None:
        call = Call.of(caller=shop.mark, operation="pointsAdjust", key=key, content={})
        work = partial(points.adjust, customer_id=hana, points=by, reason="sorry", actor=ACTOR)
        await idempotency.once(shop.hub.database, call, work)

    for _ in range(2):
        await adjust(50, "k")
    for by in (-51, 0, points.POINTS_MAX, points.POINTS_MAX + 1):
        with pytest.raises(InvalidQuantity):
            await adjust(by, str(by))

    assert await story(shop, hana) == [("ADJUST", 50)]


async def test_nobodys_points_cannot_be_adjusted(shop: Shop) -> None:
    with pytest.raises(NotFound):
        async with shop.hub.database.transaction() as session:
            await points.adjust(session, customer_id=new_id(), points=1, reason="sorry", actor=ACTOR)


@given(st.integers(0, 10**6), st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
def test_parts_take_all_of_the_points_and_no_more(earned: int, parts: list[int]) -> None:
    whole, done, taken = sum(parts), 0, []
    for part in parts:
        taken.append(points.share(earned, done + part, whole) - points.share(earned, done, whole))
        done += part

    assert sum(taken) == earned
    assert all(one >= 0 for one in taken)


def test_refusals_are_payments_that_were_declined() -> None:
    assert {TenderRefused.code, NotEnough.code} == {"PAYMENT_DECLINED"}
    assert issubclass(NotEnough, DomainError)
