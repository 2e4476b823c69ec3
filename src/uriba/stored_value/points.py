"""Loyalty points: earned with what is paid in money, spent like money where a channel takes them.

A balance is never below zero. Points of goods that come back after they were spent stay owed: what the customer earns
next pays these first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.catalog import channels
from uriba.core import money
from uriba.core.errors import Code, Invalid, InvalidQuantity, InvalidState, NotFound, Refusals
from uriba.core.money import Rounding, divide, exponent
from uriba.db import Session
from uriba.stored_value import queries
from uriba.stored_value.errors import NotEnough, TenderRefused

UNIT = " points"
"""What a payment's reference ends with."""

POINTS_MAX = 2_000_000_000
"""On one account, by earning and adjusting: what an API's Int holds."""

_CREDIT = """
    UPDATE points_account SET balance = greatest(0, balance - owed + {points}),
        owed = greatest(0, owed - balance - {points})
"""
"""Points come in (or go, where negative): what is owed is paid first, and what is missing is owed."""


@dataclass(frozen=True, slots=True)
class Earning:
    """An order that earns: `money_minor` of its total was paid in money, neither with points nor with gift cards."""

    order_id: UUID
    customer_id: UUID | None
    channel_id: int
    currency: str
    total_minor: int
    money_minor: int


async def earn(
    session: Session,
    *,
    order_id: UUID,
    customer_id: UUID | None,
    channel_id: int,
    currency: str,
    total_minor: int,
    money_minor: int,
    actor: str,
) -> None:
    """Points for what an order was paid in money. See `earn_all`."""
    earning = Earning(order_id, customer_id, channel_id, currency, total_minor, money_minor)
    await earn_all(session, [earning], actor=actor)


async def earn_all(session: Session, earnings: Sequence[Earning], *, actor: str) -> None:
    """Points by each channel's terms, rounded down. Once per order; nothing without a customer, or without money."""
    due = [one for one in earnings if one.customer_id is not None and one.money_minor > 0]
    if due:
        await session.run(
            _EARN,
            [one.order_id for one in due],
            [one.customer_id for one in due],
            [one.channel_id for one in due],
            [one.total_minor for one in due],
            [one.money_minor for one in due],
            [10 ** exponent(one.currency) for one in due],
            actor,
        )


_EARN = f"""
    WITH due AS (
        SELECT o.order_id, o.customer_id, o.total_minor, least(floor(c.points_per_unit * o.money_minor / o.unit),
            {POINTS_MAX} - coalesce(a.balance - a.owed, 0))::bigint AS points
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
            AS o(order_id, customer_id, channel_id, total_minor, money_minor, unit)
        JOIN channel c ON c.id = o.channel_id LEFT JOIN points_account a ON a.customer_id = o.customer_id
    ), earned AS (
        INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor)
        SELECT customer_id, 'EARN', points, total_minor, order_id, $7 FROM due WHERE points > 0 ORDER BY order_id
        ON CONFLICT (order_id) WHERE kind = 'EARN' DO NOTHING RETURNING customer_id, points
    )
    INSERT INTO points_account AS a (customer_id, balance)
    SELECT customer_id, sum(points) FROM earned GROUP BY customer_id ORDER BY customer_id
    ON CONFLICT (customer_id) DO UPDATE SET balance = greatest(0, a.balance - a.owed + excluded.balance),
        owed = greatest(0, a.owed - a.balance - excluded.balance)
"""


async def earners(session: Session, order_ids: Sequence[UUID]) -> list[UUID]:
    """Which of these orders have earned points, their customers' accounts in order."""
    rows = await session.fetch(
        "SELECT order_id FROM points_entry WHERE order_id = ANY($1) AND kind = 'EARN' ORDER BY customer_id, order_id",
        order_ids,
    )
    return [row["order_id"] for row in rows]


async def reverse(session: Session, *, order_id: UUID, refunded_minor: int, actor: str) -> None:
    """Of an order that earned points, so much of its total was given back: so are the points, in proportion.

    All parts together take exactly what was earned. Nothing for an order that earned none.
    """
    earned = await session.fetchrow(_LOCK_EARNED, order_id)
    if earned is None:
        return
    before = await session.fetchrow(
        "SELECT coalesce(-sum(points), 0)::bigint AS points, coalesce(-sum(amount_minor), 0)::bigint AS amount_minor "
        "FROM points_entry WHERE order_id = $1 AND kind = 'REVERSE'",
        order_id,
    )
    assert before is not None
    part = min(refunded_minor, earned["amount_minor"] - before["amount_minor"])
    if part <= 0:
        return
    taken = share(earned["points"], before["amount_minor"] + part, earned["amount_minor"]) - before["points"]
    await session.run(_REVERSE, earned["customer_id"], -taken, -part, order_id, actor)


_LOCK_EARNED = """
    SELECT e.customer_id, e.points, e.amount_minor FROM points_entry e JOIN points_account a USING (customer_id)
    WHERE e.order_id = $1 AND e.kind = 'EARN' FOR NO KEY UPDATE OF a
"""
_BOOK = f"""
    WITH booked AS (
        INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor)
        VALUES ($1, '{{kind}}', $2, $3, $4, $5)
    )
    {_CREDIT.format(points="$2")} WHERE customer_id = $1
"""
_REVERSE = _BOOK.format(kind="REVERSE")


def share(points: int, part: int, whole: int) -> int:
    """The points of a part of an amount, half up: growing parts end with all of them. Pure."""
    return divide(points * part, whole, Rounding.HALF_UP)


async def redeem(
    session: Session,
    *,
    order_id: UUID,
    channel_id: int,
    customer_id: UUID | None,
    amounts: dict[int, int],
    actor: str,
) -> dict[int, str]:
    """Pay amounts of an order with the customer's points, all or none; a reference by each one's index.

    `amounts`: minor units by their place among the payments. Errors: `TenderRefused`, `NotEnough`, `Invalid` for what
    is no whole number of points.
    """
    channel = (await channels.by_id(session, [channel_id]))[channel_id]
    value, first = channel["point_value_minor"], min(amounts)
    if customer_id is None:
        raise Invalid("Only a known customer pays with points.", "payments", first, "method")
    _check(amounts, value, channel["currency"], first)
    points = sum(amounts.values()) // value
    if await session.fetchval(_REDEEM, customer_id, points, sum(amounts.values()), order_id, actor) is None:
        there = (await queries.balances(session, [customer_id])).get(customer_id)
        have = there["balance"] if there else 0
        raise NotEnough(f"The customer has {have} points, this takes {points}.", "payments", first, "amount")
    return {index: f"{amount // value}{UNIT}" for index, amount in amounts.items()}


_REDEEM = """
    WITH taken AS (
        UPDATE points_account SET balance = balance - $2 WHERE customer_id = $1 AND balance >= $2 RETURNING customer_id
    )
    INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor)
    SELECT customer_id, 'REDEEM', -$2::bigint, -$3::bigint, $4, $5 FROM taken RETURNING id
"""


def _check(amounts: dict[int, int], value: int, currency: str, first: int) -> None:
    if value == 0:
        raise TenderRefused("Points pay nothing in this channel.", "payments", first, "method")
    refusals = Refusals()
    for index, amount in amounts.items():
        if amount % value:
            why = f"A point pays {money.to_decimal(value, currency)} {currency}: this is no whole number of points."
            refusals.add(Code.INVALID, why, "payments", index, "amount", "amount")
    if refusals.problems:
        raise Invalid.of(refusals.problems)


async def give_back(session: Session, *, order_id: UUID, actor: str) -> None:
    """The order came to nothing: what was spent on it is on the account again. Harmless to say twice."""
    await session.run(_GIVE_BACK, order_id, actor)


_GIVE_BACK = f"""
    WITH given AS (
        INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor)
        SELECT customer_id, 'GIVE_BACK', -sum(points), -sum(amount_minor), $1, $2 FROM points_entry
        WHERE order_id = $1 AND kind IN ('REDEEM', 'REFUND', 'GIVE_BACK')
        GROUP BY customer_id HAVING sum(points) < 0
        ON CONFLICT (order_id) WHERE kind = 'GIVE_BACK' DO NOTHING RETURNING customer_id, points
    )
    {_CREDIT.format(points="given.points")} FROM given WHERE points_account.customer_id = given.customer_id
"""


async def refund(session: Session, *, order_id: UUID, amount_minor: int, operation_id: UUID, actor: str) -> None:
    """Give points back that an order took, in proportion to the amount that they paid. Once per operation.

    Errors: `InvalidState` where it is more than was taken.
    """
    spent = await session.fetchrow(_LOCK_SPENT, order_id)
    if spent is None:
        raise InvalidState("This order took no points.")
    row = await session.fetchrow(_SPENT, order_id, operation_id)
    assert row is not None
    if row["booked"]:
        return
    if row["back_minor"] + amount_minor > row["paid_minor"]:
        raise InvalidState("No more can go back to the points than the order took from them.")
    back = share(row["points"], row["back_minor"] + amount_minor, row["paid_minor"]) - row["back"]
    await session.run(_REFUND, spent["customer_id"], back, amount_minor, order_id, actor, operation_id)


_LOCK_SPENT = """
    SELECT e.customer_id FROM points_entry e JOIN points_account a USING (customer_id)
    WHERE e.order_id = $1 AND e.kind = 'REDEEM' LIMIT 1 FOR NO KEY UPDATE OF a
"""
_SPENT = """
    SELECT coalesce(-sum(points) FILTER (WHERE kind = 'REDEEM'), 0)::bigint AS points,
        coalesce(-sum(amount_minor) FILTER (WHERE kind = 'REDEEM'), 0)::bigint AS paid_minor,
        coalesce(sum(points) FILTER (WHERE kind IN ('REFUND', 'GIVE_BACK')), 0)::bigint AS back,
        coalesce(sum(amount_minor) FILTER (WHERE kind IN ('REFUND', 'GIVE_BACK')), 0)::bigint AS back_minor,
        coalesce(bool_or(operation_id = $2), false) AS booked
    FROM points_entry WHERE order_id = $1
"""
_REFUND = f"""
    WITH booked AS (
        INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor, operation_id)
        VALUES ($1, 'REFUND', $2, $3, $4, $5, $6)
    )
    {_CREDIT.format(points="$2")} WHERE customer_id = $1
"""


async def adjust(session: Session, *, customer_id: UUID, points: int, reason: str, actor: str) -> None:
    """Give a customer points or take some, with a reason.

    Errors: `NotFound`, `InvalidQuantity` for nothing, or more than is there.
    """
    if points == 0 or abs(points) > POINTS_MAX:
        raise InvalidQuantity(f"Points are changed by 1 to {POINTS_MAX}, up or down.", "points")
    if not await session.fetchval("SELECT true FROM customer WHERE id = $1", customer_id):
        raise NotFound("There is no such customer.", "customerId")
    await session.run("INSERT INTO points_account (customer_id) VALUES ($1) ON CONFLICT DO NOTHING", customer_id)
    if await session.fetchval(_ADJUST, customer_id, points, reason, actor) is None:
        raise InvalidQuantity("The customer would have less than nothing, or too many.", "points")


_ADJUST = f"""
    WITH changed AS (
        {_CREDIT.format(points="$2")}
        WHERE customer_id = $1 AND ($2 > 0 OR balance + $2 >= 0) AND balance + $2 <= {POINTS_MAX} RETURNING customer_id
    )
    INSERT INTO points_entry (customer_id, kind, points, reference, actor)
    SELECT customer_id, 'ADJUST', $2, $3, $4 FROM changed RETURNING id
"""
