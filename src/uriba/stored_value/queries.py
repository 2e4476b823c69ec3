"""Reads of gift cards and points."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.db import Row, Session
from uriba.stored_value import codes

USABLE = "c.blocked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())"
"""What a card must be to pay; `c` is the card."""

_CARD = "c.id, c.last4, c.currency, c.balance_minor, c.expires_at, c.blocked_at, c.created_at"


async def usable_card(session: Session, code: str) -> Row | None:
    """The card of a code, while it can be used: one that is blocked, expired or unknown is none."""
    return await session.fetchrow(
        f"SELECT {_CARD} FROM gift_card c WHERE c.digest = $1 AND {USABLE}",
        codes.digest(code),
    )


async def cards(session: Session, card_ids: Sequence[UUID]) -> dict[UUID, Row]:
    rows = await session.fetch(f"SELECT {_CARD} FROM gift_card c WHERE c.id = ANY($1)", card_ids)
    return {row["id"]: row for row in rows}


async def card_entries(session: Session, card_id: UUID, *, first: int, before: int | None) -> list[Row]:
    """A card's ledger, newest first, one more than asked for; amounts in minor units."""
    return await session.fetch(
        "SELECT e.id, e.kind, e.amount_minor, c.currency, e.order_id, e.reference, e.actor, e.at "
        "FROM gift_card_entry e JOIN gift_card c ON c.id = e.card_id "
        "WHERE e.card_id = $1 AND ($2::bigint IS NULL OR e.id < $2) ORDER BY e.id DESC LIMIT $3",
        card_id,
        before,
        first + 1,
    )


async def balances(session: Session, customer_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """`balance` and `owed` of customers that have an account."""
    rows = await session.fetch(
        "SELECT customer_id, balance, owed FROM points_account WHERE customer_id = ANY($1)", customer_ids
    )
    return {row["customer_id"]: row for row in rows}


async def points_entries(session: Session, customer_id: UUID, *, first: int, before: int | None) -> list[Row]:
    """A customer's points, newest first, one more than asked for."""
    return await session.fetch(
        "SELECT id, kind, points, order_id, reference, actor, at FROM points_entry "
        "WHERE customer_id = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        customer_id,
        before,
        first + 1,
    )
