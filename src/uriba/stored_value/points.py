"""Loyalty points: earned with what is paid in money, spent like money where a channel accepts them.

A balance is never below zero. Points to be reversed that were already spent are owed: the next points that the customer
earns pay them first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.catalog import channels
from uriba.core import money
from uriba.core.errors import Code, Invalid, InvalidQuantity, InvalidState, NotFound, Refusals
from uriba.core.money import Rounding, divide, exponent
from uriba.customers import customers
from uriba.db import Session
from uriba.db.statements import statement
from uriba.stored_value import queries
from uriba.stored_value.errors import InsufficientBalance, TenderRefused

REFERENCE_SUFFIX = " points"
"""The end of the reference of a payment with points."""

POINTS_MAX = 2_000_000_000
"""The limit of an account's points by earning and adjusting: the range of GraphQL's Int."""

_CREDIT = """
    UPDATE points_account SET balance = greatest(0, balance - owed + {points}),
        owed = greatest(0, owed - balance - {points})
"""
"""Add points, or remove them where negative: points that are owed are paid first, and a shortfall becomes owed."""


@dataclass(frozen=True, slots=True)
class Earning:
    """An order that earns points. `money_minor`: the part of its total that neither points nor gift cards paid."""

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
    """Credit the points of one order. See `earn_all`."""
    earning = Earning(order_id, customer_id, channel_id, currency, total_minor, money_minor)
    await earn_all(session, [earning], actor=actor)


async def earn_all(session: Session, earnings: Sequence[Earning], *, actor: str) -> None:
    """Credit the points of orders by the terms of their channels, rounded down. Once per order.

    Orders without a customer, or that were not paid in money, earn nothing.
    """
    due = [earning for earning in earnings if earning.customer_id is not None and earning.money_minor > 0]
    if due:
        await session.run(
            _EARN,
            order_ids=[earning.order_id for earning in due],
            customer_ids=[earning.customer_id for earning in due],
            channel_ids=[earning.channel_id for earning in due],
            totals_minor=[earning.total_minor for earning in due],
            money_minor=[earning.money_minor for earning in due],
            minor_units=[10 ** exponent(earning.currency) for earning in due],
            actor=actor,
        )


_EARN = statement(f"""
    WITH due AS (
        SELECT o.order_id, o.customer_id, o.total_minor, least(floor(c.points_per_unit * o.money_minor / o.minor_units),
            {POINTS_MAX} - coalesce(a.balance - a.owed, 0))::bigint AS points
        FROM unnest(:order_ids::uuid[], :customer_ids::uuid[], :channel_ids::bigint[], :totals_minor::bigint[],
            :money_minor::bigint[], :minor_units::bigint[])
            AS o(order_id, customer_id, channel_id, total_minor, money_minor, minor_units)
        JOIN channel c ON c.id = o.channel_id LEFT JOIN points_account a ON a.customer_id = o.customer_id
    ), earned AS (
        INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor)
        SELECT customer_id, 'EARN', points, total_minor, order_id, :actor FROM due WHERE points > 0 ORDER BY order_id
        ON CONFLICT (order_id) WHERE kind = 'EARN' DO NOTHING RETURNING customer_id, points
    )
    INSERT INTO points_account AS a (customer_id, balance)
    SELECT customer_id, sum(points) FROM earned GROUP BY customer_id ORDER BY customer_id
    ON CONFLICT (customer_id) DO UPDATE SET balance = greatest(0, a.balance - a.owed + excluded.balance),
        owed = greatest(0, a.owed - a.balance - excluded.balance)
""")


async def orders_that_earned(session: Session, order_ids: Sequence[UUID]) -> list[UUID]:
    """Return those of these orders that earned points, by customer: the order in which accounts are locked."""
    return [row["order_id"] for row in await session.fetch(_ORDERS_THAT_EARNED, order_ids=order_ids)]


_ORDERS_THAT_EARNED = statement("""
    SELECT order_id FROM points_entry WHERE order_id = ANY(:order_ids) AND kind = 'EARN' ORDER BY customer_id, order_id
""")


async def reverse(session: Session, *, order_id: UUID, refunded_minor: int, actor: str) -> None:
    """Take back the points that an order earned, in proportion to the part of its total that is refunded.

    Refunds of the whole total take back exactly what was earned. Does nothing for an order that earned no points.
    """
    earned = await session.fetchrow(_LOCK_EARNED, order_id=order_id)
    if earned is None:
        return
    reversed_before = await session.fetchrow(_REVERSED, order_id=order_id)
    assert reversed_before is not None
    part_minor = min(refunded_minor, earned["amount_minor"] - reversed_before["amount_minor"])
    if part_minor <= 0:
        return
    total = prorate(earned["points"], reversed_before["amount_minor"] + part_minor, earned["amount_minor"])
    await session.run(
        _REVERSE,
        customer_id=earned["customer_id"],
        points=reversed_before["points"] - total,
        amount_minor=-part_minor,
        order_id=order_id,
        actor=actor,
    )


_LOCK_EARNED = statement("""
    SELECT e.customer_id, e.points, e.amount_minor FROM points_entry e JOIN points_account a USING (customer_id)
    WHERE e.order_id = :order_id AND e.kind = 'EARN' FOR NO KEY UPDATE OF a
""")

_REVERSED = statement("""
    SELECT coalesce(-sum(points), 0)::bigint AS points, coalesce(-sum(amount_minor), 0)::bigint AS amount_minor
    FROM points_entry WHERE order_id = :order_id AND kind = 'REVERSE'
""")

_REVERSE = statement(f"""
    WITH entry AS (
        INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor)
        VALUES (:customer_id, 'REVERSE', :points, :amount_minor, :order_id, :actor)
    )
    {_CREDIT.format(points=":points")} WHERE customer_id = :customer_id
""")


def prorate(points: int, part: int, whole: int) -> int:
    """Return the points of a part of an amount, rounded half up. No I/O.

    For cumulative parts: the differences between them add up to all points when `part` reaches `whole`.
    """
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
    """Pay amounts of an order with the customer's points, all or none; return each payment's reference by its index.

    `amounts`: minor units by position among the payments. Errors: `TenderRefused`; `InsufficientBalance`; `Invalid`
    without a customer, and for an amount that is not a whole number of points.
    """
    channel = (await channels.by_id(session, [channel_id]))[channel_id]
    value_minor, first = channel["point_value_minor"], min(amounts)
    if customer_id is None:
        raise Invalid("Payment with points needs an order with a customer.", "payments", first, "method")
    _check(amounts, value_minor, channel["currency"], first)
    amount_minor = sum(amounts.values())
    points = amount_minor // value_minor
    entry_id = await session.fetchval(
        _REDEEM, customer_id=customer_id, points=points, amount_minor=amount_minor, order_id=order_id, actor=actor
    )
    if entry_id is None:
        balances = await queries.balances_by_customer(session, [customer_id])
        balance = balances.get(customer_id, queries.NO_POINTS).balance
        raise InsufficientBalance(
            f"This payment takes {points} points; the customer has {balance}.", "payments", first, "amount"
        )
    return {index: f"{amount // value_minor}{REFERENCE_SUFFIX}" for index, amount in amounts.items()}


_REDEEM = statement("""
    WITH debited AS (
        UPDATE points_account SET balance = balance - :points
        WHERE customer_id = :customer_id AND balance >= :points RETURNING customer_id
    )
    INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor)
    SELECT customer_id, 'REDEEM', -:points::bigint, -:amount_minor::bigint, :order_id, :actor FROM debited RETURNING id
""")


def _check(amounts: dict[int, int], value_minor: int, currency: str, first: int) -> None:
    if value_minor == 0:
        raise TenderRefused("This channel does not accept points as payment.", "payments", first, "method")
    refusals = Refusals()
    for index, amount in amounts.items():
        if amount % value_minor:
            value = f"{money.to_decimal(value_minor, currency)} {currency}"
            message = f"The amount must be a multiple of the value of a point, {value}."
            refusals.add(Code.INVALID, message, "payments", index, "amount", "amount")
    if refusals.problems:
        raise Invalid.of(refusals.problems)


async def undo_redemptions(session: Session, *, order_id: UUID, actor: str) -> None:
    """Credit the account with the points that were spent on an order that was not placed. Idempotent."""
    await session.run(_UNDO_REDEMPTIONS, order_id=order_id, actor=actor)


_UNDO_REDEMPTIONS = statement(f"""
    WITH entry AS (
        INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor)
        SELECT customer_id, 'GIVE_BACK', -sum(points), -sum(amount_minor), :order_id, :actor FROM points_entry
        WHERE order_id = :order_id AND kind IN ('REDEEM', 'REFUND', 'GIVE_BACK')
        GROUP BY customer_id HAVING sum(points) < 0
        ON CONFLICT (order_id) WHERE kind = 'GIVE_BACK' DO NOTHING RETURNING customer_id, points
    )
    {_CREDIT.format(points="entry.points")} FROM entry WHERE points_account.customer_id = entry.customer_id
""")


async def refund(session: Session, *, order_id: UUID, amount_minor: int, operation_id: UUID, actor: str) -> None:
    """Credit points that an order took, in proportion to the refunded part of what they paid. Once per operation.

    Errors: `InvalidState` for more than was taken.
    """
    account = await session.fetchrow(_LOCK_REDEEMED, order_id=order_id)
    if account is None:
        raise InvalidState("This order was not paid with points.")
    row = await session.fetchrow(_REDEEMED, order_id=order_id, operation_id=operation_id)
    assert row is not None
    if row["done"]:
        return
    refunded_minor = row["refunded_minor"] + amount_minor
    if refunded_minor > row["paid_minor"]:
        raise InvalidState("A refund in points cannot exceed the amount that was paid with points.")
    await session.run(
        _REFUND,
        customer_id=account["customer_id"],
        points=prorate(row["redeemed"], refunded_minor, row["paid_minor"]) - row["refunded"],
        amount_minor=amount_minor,
        order_id=order_id,
        actor=actor,
        operation_id=operation_id,
    )


_LOCK_REDEEMED = statement("""
    SELECT e.customer_id FROM points_entry e JOIN points_account a USING (customer_id)
    WHERE e.order_id = :order_id AND e.kind = 'REDEEM' LIMIT 1 FOR NO KEY UPDATE OF a
""")

_REDEEMED = statement("""
    SELECT coalesce(-sum(points) FILTER (WHERE kind = 'REDEEM'), 0)::bigint AS redeemed,
        coalesce(-sum(amount_minor) FILTER (WHERE kind = 'REDEEM'), 0)::bigint AS paid_minor,
        coalesce(sum(points) FILTER (WHERE kind IN ('REFUND', 'GIVE_BACK')), 0)::bigint AS refunded,
        coalesce(sum(amount_minor) FILTER (WHERE kind IN ('REFUND', 'GIVE_BACK')), 0)::bigint AS refunded_minor,
        coalesce(bool_or(operation_id = :operation_id), false) AS done
    FROM points_entry WHERE order_id = :order_id
""")

_REFUND = statement(f"""
    WITH entry AS (
        INSERT INTO points_entry (customer_id, kind, points, amount_minor, order_id, actor, operation_id)
        VALUES (:customer_id, 'REFUND', :points, :amount_minor, :order_id, :actor, :operation_id)
    )
    {_CREDIT.format(points=":points")} WHERE customer_id = :customer_id
""")


async def adjust(session: Session, *, customer_id: UUID, points: int, reason: str, actor: str) -> None:
    """Change a customer's points, with a reason.

    Errors: `NotFound`; `InvalidQuantity` for zero, and if the balance would be below zero or above the limit.
    """
    if points == 0 or abs(points) > POINTS_MAX:
        raise InvalidQuantity(f"An adjustment must be from 1 to {POINTS_MAX} points, up or down.", "points")
    if not await customers.by_id(session, [customer_id]):
        raise NotFound("There is no such customer.", "customerId")
    await session.run(_OPEN_ACCOUNT, customer_id=customer_id)
    if await session.fetchval(_ADJUST, customer_id=customer_id, points=points, reason=reason, actor=actor) is None:
        raise InvalidQuantity(f"The customer's points must stay between 0 and {POINTS_MAX}.", "points")


_OPEN_ACCOUNT = statement("INSERT INTO points_account (customer_id) VALUES (:customer_id) ON CONFLICT DO NOTHING")

_ADJUST = statement(f"""
    WITH changed AS (
        {_CREDIT.format(points=":points")}
        WHERE customer_id = :customer_id AND (:points > 0 OR balance + :points >= 0)
            AND balance + :points <= {POINTS_MAX} RETURNING customer_id
    )
    INSERT INTO points_entry (customer_id, kind, points, reference, actor)
    SELECT customer_id, 'ADJUST', :points, :reason, :actor FROM changed RETURNING id
""")
