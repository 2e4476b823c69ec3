"""Gift cards and points of a test shop, and their ledgers."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID, uuid4

from tests.support.shop import ERRORS, Shop
from uriba.core.ids import new_id
from uriba.db import Session
from uriba.stored_value import gift_cards, points, tenders
from uriba.stored_value.tenders import Debit

ACTOR = "staff:test"


class Issued(NamedTuple):
    """A gift card and its code."""

    id: UUID
    code: str


async def issue_card(shop: Shop, amount: str = "1000", currency: str = "JPY", **given: Any) -> Issued:
    """Issue a gift card."""
    async with shop.hub.database.transaction() as session:
        card_id = new_id()
        made = await gift_cards.issue(session, card_id=card_id, amount=amount, currency=currency, actor=ACTOR, **given)
    return Issued(card_id, made)


def code(issued: Issued) -> str:
    return issued.code


async def create_customer(shop: Shop, name: str = "HANA", *, with_points: int = 0) -> UUID:
    """Create a customer of the shop, with points."""
    await shop.staff.mutate(
        f"mutation ($c: [CustomerInput!]!) {{ customersUpsert(customers: $c) {{ count {ERRORS} }} }}",
        c=[{"loyaltyCard": shop.code(name), "name": name.title()}],
    )
    async with shop.hub.database.transaction() as session:
        found = await session.fetchval("SELECT id FROM customer WHERE loyalty_card = $1", shop.code(name))
        customer_id = UUID(str(found))
        if with_points:
            await points.adjust(session, customer_id=customer_id, points=with_points, reason="a gift", actor=ACTOR)
    return customer_id


async def set_points_terms(shop: Shop, channel: str = "app", *, per_unit: str = "0.01", value: int = 1) -> int:
    """Set the terms of a channel's points, the value in yen; return the channel's id."""
    async with shop.hub.database.transaction() as session:
        found = await session.fetchval(
            "UPDATE channel SET points_per_unit = $2::text::numeric, point_value_minor = $3 WHERE code = $1 RETURNING id",
            shop.code(channel),
            per_unit,
            value,
        )
    return int(found)


async def debit_and_commit(
    shop: Shop,
    *debits: tuple[str, int, str | None],
    order_id: UUID | None = None,
    customer_id: UUID | None = None,
    channel_id: int = 0,
    currency: str = "JPY",
) -> list[str]:
    """Debit these (method, amount, token) in a transaction of their own; return the references."""
    async with shop.hub.database.transaction() as session:
        return await debit(
            session,
            *debits,
            order_id=order_id or new_id(),
            customer_id=customer_id,
            channel_id=channel_id,
            currency=currency,
        )


async def debit(
    session: Session,
    *debits: tuple[str, int, str | None],
    order_id: UUID,
    customer_id: UUID | None = None,
    channel_id: int = 0,
    currency: str = "JPY",
) -> list[str]:
    return await tenders.debit(
        session,
        order_id=order_id,
        channel_id=channel_id,
        customer_id=customer_id,
        currency=currency,
        debits=[Debit(index, *one) for index, one in enumerate(debits)],
        actor=ACTOR,
    )


async def refund(
    shop: Shop, order_id: UUID, method: str, reference: str, amount: int, operation_id: UUID | None = None
) -> None:
    async with shop.hub.database.transaction() as session:
        await tenders.refund(
            session,
            order_id=order_id,
            method=method,
            reference=reference,
            amount_minor=amount,
            operation_id=operation_id or uuid4(),
            actor=ACTOR,
        )


async def undo_debits(shop: Shop, order_id: UUID) -> None:
    async with shop.hub.database.transaction() as session:
        await tenders.undo_debits(session, order_id=order_id, actor=ACTOR)


async def earn(shop: Shop, order_id: UUID, customer_id: UUID | None, channel_id: int, total: int, money: int) -> None:
    async with shop.hub.database.transaction() as session:
        await points.earn(
            session,
            order_id=order_id,
            customer_id=customer_id,
            channel_id=channel_id,
            currency="JPY",
            total_minor=total,
            money_minor=money,
            actor=ACTOR,
        )


async def reverse(shop: Shop, order_id: UUID, refunded: int) -> None:
    async with shop.hub.database.transaction() as session:
        await points.reverse(session, order_id=order_id, refunded_minor=refunded, actor=ACTOR)


async def balance(shop: Shop, issued: Issued) -> int:
    """Return the card's balance, after checking that it is the sum of its ledger."""
    async with shop.hub.database.reading() as session:
        row = await session.fetchrow(
            "SELECT balance_minor, (SELECT sum(amount_minor) FROM gift_card_entry WHERE card_id = c.id)::bigint AS sum "
            "FROM gift_card c WHERE id = $1",
            issued.id,
        )
    assert row is not None
    assert row["balance_minor"] == row["sum"]
    return int(row["sum"])


async def card_ledger(shop: Shop, issued: Issued) -> list[tuple[str, int]]:
    """Return the card's ledger, oldest first."""
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT kind, amount_minor FROM gift_card_entry WHERE card_id = $1 ORDER BY id", issued.id
        )
    return [(row["kind"], row["amount_minor"]) for row in rows]


async def points_account(shop: Shop, customer_id: UUID) -> tuple[int, int]:
    """Return the points that can be spent and those that are owed, after checking them against the ledger."""
    async with shop.hub.database.reading() as session:
        row = await session.fetchrow(
            "SELECT balance, owed, (SELECT sum(points) FROM points_entry e WHERE e.customer_id = a.customer_id)::bigint "
            "AS sum FROM points_account a WHERE customer_id = $1",
            customer_id,
        )
    if row is None:
        return 0, 0
    assert row["balance"] - row["owed"] == row["sum"]
    return row["balance"], row["owed"]


async def points_ledger(shop: Shop, customer_id: UUID) -> list[tuple[str, int]]:
    """Return the customer's ledger of points, oldest first."""
    async with shop.hub.database.reading() as session:
        rows = await session.fetch(
            "SELECT kind, points FROM points_entry WHERE customer_id = $1 ORDER BY id", customer_id
        )
    return [(row["kind"], row["points"]) for row in rows]
