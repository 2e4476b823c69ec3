"""Reads of gift cards and points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.db import Session
from uriba.db.statements import statement
from uriba.stored_value import codes
from uriba.stored_value.enums import CardEntryKind, PointsEntryKind

USABLE = "c.blocked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())"
"""The SQL condition under which the gift card `c` can pay."""


@dataclass(frozen=True, slots=True)
class GiftCardRecord:
    """A gift card, without its code; the balance is in minor units."""

    id: UUID
    last4: str
    currency: str
    balance_minor: int
    expires_at: datetime | None
    blocked_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CardEntryRecord:
    """One entry of a gift card's ledger, in minor units of the card's currency. `reference`: why it was adjusted."""

    id: int
    kind: CardEntryKind
    amount_minor: int
    currency: str
    order_id: UUID | None
    reference: str | None
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PointsBalance:
    """A customer's points: those that can be spent, and those that are owed because reversed points were spent."""

    balance: int
    owed: int


@dataclass(frozen=True, slots=True)
class PointsEntryRecord:
    """One entry of a customer's points ledger. `reference`: why it was adjusted."""

    id: int
    kind: PointsEntryKind
    points: int
    order_id: UUID | None
    reference: str | None
    actor: str
    at: datetime


NO_POINTS = PointsBalance(0, 0)
"""The balance of a customer without an account."""


async def usable_card(session: Session, code: str) -> GiftCardRecord | None:
    """Return the card of a code if it can be used: None for an unknown code, a blocked and an expired card."""
    row = await session.fetchrow(_USABLE_CARD, digest=codes.digest(code))
    return GiftCardRecord(**row) if row else None


async def cards_by_id(session: Session, card_ids: Sequence[UUID]) -> dict[UUID, GiftCardRecord]:
    """Return these gift cards."""
    return {row["id"]: GiftCardRecord(**row) for row in await session.fetch(_CARDS_BY_ID, card_ids=card_ids)}


_CARD = """
    SELECT c.id, c.last4, c.currency, c.balance_minor, c.expires_at, c.blocked_at, c.created_at FROM gift_card c
"""
_USABLE_CARD = statement(f"{_CARD} WHERE c.digest = :digest AND {USABLE}")
_CARDS_BY_ID = statement(f"{_CARD} WHERE c.id = ANY(:card_ids)")


async def card_entries(session: Session, card_id: UUID, *, first: int, before: int | None) -> list[CardEntryRecord]:
    """Return a gift card's entries, newest first: `first` and one more, with ids below `before`."""
    rows = await session.fetch(_CARD_ENTRIES, card_id=card_id, before=before, limit=first + 1)
    return [CardEntryRecord(**{**row, "kind": CardEntryKind(row["kind"])}) for row in rows]


_CARD_ENTRIES = statement("""
    SELECT e.id, e.kind, e.amount_minor, c.currency, e.order_id, e.reference, e.actor, e.at
    FROM gift_card_entry e JOIN gift_card c ON c.id = e.card_id
    WHERE e.card_id = :card_id AND (:before::bigint IS NULL OR e.id < :before) ORDER BY e.id DESC LIMIT :limit
""")


async def balances_by_customer(session: Session, customer_ids: Sequence[UUID]) -> dict[UUID, PointsBalance]:
    """Return the points of customers that have an account."""
    rows = await session.fetch(_BALANCES, customer_ids=customer_ids)
    return {row["customer_id"]: PointsBalance(row["balance"], row["owed"]) for row in rows}


_BALANCES = statement("SELECT customer_id, balance, owed FROM points_account WHERE customer_id = ANY(:customer_ids)")


async def points_entries(
    session: Session, customer_id: UUID, *, first: int, before: int | None
) -> list[PointsEntryRecord]:
    """Return a customer's points entries, newest first: `first` and one more, with ids below `before`."""
    rows = await session.fetch(_POINTS_ENTRIES, customer_id=customer_id, before=before, limit=first + 1)
    return [PointsEntryRecord(**{**row, "kind": PointsEntryKind(row["kind"])}) for row in rows]


_POINTS_ENTRIES = statement("""
    SELECT id, kind, points, order_id, reference, actor, at FROM points_entry
    WHERE customer_id = :customer_id AND (:before::bigint IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit
""")
