"""Points: earned with money, spent like money, reversed by refunds; never below zero."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.stored_value import (
    ACTOR,
    code,
    create_customer,
    debit_and_commit,
    earn,
    issue_card,
    points_account,
    points_ledger,
    refund,
    reverse,
    set_points_terms,
    undo_debits,
)
from uriba.core.errors import DomainError, Invalid, InvalidQuantity, InvalidState, NotFound
from uriba.core.ids import new_id
from uriba.db import idempotency
from uriba.db.idempotency import Call
from uriba.stored_value import points
from uriba.stored_value.errors import InsufficientBalance, TenderRefused
from uriba.stored_value.points import Earning

if TYPE_CHECKING:
    from tests.support.shop import Shop

POINTS = "POINTS"


async def test_an_order_earns_points_for_money_once(shop: Shop) -> None:
    hana, channel, order_id = await create_customer(shop), await set_points_terms(shop, per_unit="0.01"), new_id()

    for _ in range(2):
        await earn(shop, order_id, hana, channel, total=13582, money=13582)

    assert await points_account(shop, hana) == (135, 0)
    assert await points_ledger(shop, hana) == [("EARN", 135)]


async def test_amounts_paid_with_points_and_gift_cards_earn_nothing(shop: Shop) -> None:
    hana, channel = await create_customer(shop), await set_points_terms(shop, per_unit="0.01")

    await earn(shop, new_id(), hana, channel, total=10_000, money=4_000)
    await earn(shop, new_id(), hana, channel, total=10_000, money=0)

    assert await points_account(shop, hana) == (40, 0)


async def test_several_orders_earn_in_one_call(shop: Shop) -> None:
    hana, ken, channel = (
        await create_customer(shop),
        await create_customer(shop, "KEN"),
        await set_points_terms(shop, per_unit="0.01"),
    )
    orders = [
        Earning(new_id(), who, channel, "JPY", total_minor=yen, money_minor=yen)
        for who, yen in ((hana, 1000), (ken, 2000), (hana, 500), (None, 9000), (ken, 99))
    ]

    for _ in range(2):
        async with shop.hub.database.transaction() as session:
            await points.earn_all(session, orders, actor=ACTOR)

    assert await points_account(shop, hana) == (15, 0)
    assert await points_account(shop, ken) == (20, 0)


async def test_orders_without_a_customer_and_channels_without_points_earn_nothing(shop: Shop) -> None:
    hana, channel = await create_customer(shop), await set_points_terms(shop, per_unit="0")

    await earn(shop, new_id(), hana, channel, total=10_000, money=10_000)
    await earn(shop, new_id(), None, await set_points_terms(shop, per_unit="1"), total=10_000, money=10_000)

    assert await points_account(shop, hana) == (0, 0)
    assert await points_ledger(shop, hana) == []


async def test_earning_stops_at_the_limit_of_an_account(shop: Shop) -> None:
    hana, channel = await create_customer(shop), await set_points_terms(shop, per_unit="9999.9999")

    for _ in range(2):
        await earn(shop, new_id(), hana, channel, total=10**12, money=10**12)

    assert await points_account(shop, hana) == (points.POINTS_MAX, 0)


async def test_points_pay_by_their_value(shop: Shop) -> None:
    hana, channel = await create_customer(shop, with_points=100), await set_points_terms(shop, value=5)

    (reference,) = await debit_and_commit(shop, (POINTS, 300, None), customer_id=hana, channel_id=channel)

    assert reference == "60 points"
    assert await points_account(shop, hana) == (40, 0)


async def test_refuses_a_payment_with_too_few_points_a_fraction_or_no_customer(shop: Shop) -> None:
    hana, ken = await create_customer(shop, with_points=100), await create_customer(shop, "KEN")
    channel = await set_points_terms(shop, value=5)

    with pytest.raises(InsufficientBalance, match=r"takes 101 points; the customer has 100\."):
        await debit_and_commit(shop, (POINTS, 300, None), (POINTS, 205, None), customer_id=hana, channel_id=channel)
    with pytest.raises(InsufficientBalance, match=r"the customer has 0\."):
        await debit_and_commit(shop, (POINTS, 5, None), customer_id=ken, channel_id=channel)
    with pytest.raises(Invalid) as broken:
        await debit_and_commit(shop, (POINTS, 7, None), customer_id=hana, channel_id=channel)
    with pytest.raises(Invalid) as nobody:
        await debit_and_commit(shop, (POINTS, 5, None), customer_id=None, channel_id=channel)

    assert broken.value.problems[0].path == ("payments", "0", "amount", "amount")
    assert nobody.value.problems[0].path == ("payments", "0", "method")
    assert await points_account(shop, hana) == (100, 0)


async def test_refuses_points_in_a_channel_that_does_not_accept_them(shop: Shop) -> None:
    hana, channel = await create_customer(shop, with_points=100), await set_points_terms(shop, value=0)

    with pytest.raises(TenderRefused) as refused:
        await debit_and_commit(shop, (POINTS, 5, None), customer_id=hana, channel_id=channel)

    assert refused.value.problems[0].path == ("payments", "0", "method")


async def test_a_refusal_for_too_few_points_leaves_the_gift_card_unchanged(shop: Shop) -> None:
    hana, channel = await create_customer(shop, with_points=10), await set_points_terms(shop)
    issued = await issue_card(shop, "1000")

    with pytest.raises(InsufficientBalance) as refused:
        await debit_and_commit(
            shop, (POINTS, 11, None), ("GIFT_CARD", 600, code(issued)), customer_id=hana, channel_id=channel
        )
    references = await debit_and_commit(
        shop, (POINTS, 10, None), ("GIFT_CARD", 600, code(issued)), customer_id=hana, channel_id=channel
    )

    assert refused.value.problems[0].path == ("payments", "0", "amount")
    assert references[0] == "10 points"
    assert references[1].endswith(str(issued.id))


async def test_undoing_debits_credits_points_once(shop: Shop) -> None:
    hana, channel, order_id = await create_customer(shop, with_points=100), await set_points_terms(shop), new_id()
    await debit_and_commit(
        shop, (POINTS, 30, None), (POINTS, 40, None), customer_id=hana, channel_id=channel, order_id=order_id
    )

    for _ in range(3):
        await undo_debits(shop, order_id)

    assert await points_account(shop, hana) == (100, 0)
    assert await points_ledger(shop, hana) == [("ADJUST", 100), ("REDEEM", -70), ("GIVE_BACK", 70)]


async def test_a_refund_credits_points_in_proportion_once_per_operation(shop: Shop) -> None:
    hana, channel, order_id = (
        await create_customer(shop, with_points=3),
        await set_points_terms(shop, value=100),
        new_id(),
    )
    (reference,) = await debit_and_commit(
        shop, (POINTS, 300, None), customer_id=hana, channel_id=channel, order_id=order_id
    )
    operation = uuid4()

    for _ in range(2):
        await refund(shop, order_id, POINTS, reference, 149, operation)
    assert await points_account(shop, hana) == (1, 0)
    with pytest.raises(InvalidState):
        await refund(shop, order_id, POINTS, reference, 152)
    await refund(shop, order_id, POINTS, reference, 151)

    assert await points_account(shop, hana) == (3, 0)
    with pytest.raises(InvalidState):
        await refund(shop, order_id, POINTS, reference, 1)
    with pytest.raises(InvalidState):
        await refund(shop, new_id(), POINTS, reference, 1)


async def test_refunds_reverse_earned_points_in_proportion(shop: Shop) -> None:
    hana, channel, order_id = await create_customer(shop), await set_points_terms(shop, per_unit="0.01"), new_id()
    await earn(shop, order_id, hana, channel, total=1000, money=1000)

    for _ in range(3):
        await reverse(shop, order_id, 333)
    assert await points_account(shop, hana) == (0, 0)
    await reverse(shop, order_id, 1)
    await reverse(shop, order_id, 500)

    assert await points_ledger(shop, hana) == [
        ("EARN", 10),
        ("REVERSE", -3),
        ("REVERSE", -4),
        ("REVERSE", -3),
        ("REVERSE", 0),
    ]
    assert await points_account(shop, hana) == (0, 0)


async def test_a_refund_of_an_order_that_earned_nothing_reverses_nothing(shop: Shop) -> None:
    hana = await create_customer(shop, with_points=10)

    await reverse(shop, new_id(), 333)

    assert await points_account(shop, hana) == (10, 0)


async def test_reversed_points_that_were_spent_are_owed_and_paid_by_later_points(shop: Shop) -> None:
    hana, channel, order_id = await create_customer(shop), await set_points_terms(shop, per_unit="0.01"), new_id()
    await earn(shop, order_id, hana, channel, total=10_000, money=10_000)
    await debit_and_commit(shop, (POINTS, 70, None), customer_id=hana, channel_id=channel)

    await reverse(shop, order_id, 10_000)
    assert await points_account(shop, hana) == (0, 70)
    await earn(shop, new_id(), hana, channel, total=5_000, money=5_000)
    assert await points_account(shop, hana) == (0, 20)
    await earn(shop, new_id(), hana, channel, total=5_000, money=5_000)

    assert await points_account(shop, hana) == (30, 0)


async def test_an_adjustment_is_posted_once_and_stays_within_the_limits(shop: Shop) -> None:
    hana = await create_customer(shop)

    async def adjust(by: int, key: str) -> None:
        call = Call.of(caller=shop.suffix, operation="pointsAdjust", key=key, content={})
        work = partial(points.adjust, customer_id=hana, points=by, reason="sorry", actor=ACTOR)
        await idempotency.once(shop.hub.database, call, work)

    for _ in range(2):
        await adjust(50, "k")
    for by in (-51, 0, points.POINTS_MAX, points.POINTS_MAX + 1):
        with pytest.raises(InvalidQuantity):
            await adjust(by, str(by))

    assert await points_ledger(shop, hana) == [("ADJUST", 50)]


async def test_refuses_to_adjust_the_points_of_an_unknown_customer(shop: Shop) -> None:
    with pytest.raises(NotFound):
        async with shop.hub.database.transaction() as session:
            await points.adjust(session, customer_id=new_id(), points=1, reason="sorry", actor=ACTOR)


@given(st.integers(0, 10**6), st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
def test_prorated_parts_add_up_to_all_points(earned: int, parts: list[int]) -> None:
    whole, done, taken = sum(parts), 0, []
    for part in parts:
        taken.append(points.prorate(earned, done + part, whole) - points.prorate(earned, done, whole))
        done += part

    assert sum(taken) == earned
    assert all(one >= 0 for one in taken)


def test_refusals_have_the_code_payment_declined() -> None:
    assert {TenderRefused.code, InsufficientBalance.code} == {"PAYMENT_DECLINED"}
    assert issubclass(InsufficientBalance, DomainError)
