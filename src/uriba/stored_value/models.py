"""Tables of gift cards and loyalty points. Entries are only ever added; a balance is their sum."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class CardEntryKind(StrEnum):
    """Why a gift card's balance changed. GIVE_BACK: the order that it was to pay came to nothing."""

    ISSUE = "ISSUE"
    REDEEM = "REDEEM"
    REFUND = "REFUND"
    GIVE_BACK = "GIVE_BACK"
    ADJUST = "ADJUST"


class PointsEntryKind(StrEnum):
    """Why a customer's points changed. REVERSE: what was earned for goods that came back."""

    EARN = "EARN"
    REDEEM = "REDEEM"
    REFUND = "REFUND"
    REVERSE = "REVERSE"
    GIVE_BACK = "GIVE_BACK"
    ADJUST = "ADJUST"


class GiftCard(Base):
    """A gift card; balance in minor units. Of its code only the digest and the last four characters are kept."""

    __tablename__ = "gift_card"
    __table_args__ = (CheckConstraint("balance_minor >= 0", name="balance"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    last4: Mapped[str]
    currency: Mapped[str]
    balance_minor: Mapped[int]
    expires_at: Mapped[datetime | None]
    blocked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class GiftCardEntry(Base):
    """A line of a gift card's ledger, in minor units of the card.

    No foreign key to the order: it may still be being paid. `operation_id` is the refund's, which is booked once.
    """

    __tablename__ = "gift_card_entry"
    __table_args__ = (
        CheckConstraint(
            "CASE kind WHEN 'REDEEM' THEN amount_minor < 0 WHEN 'ADJUST' THEN amount_minor <> 0 "
            "ELSE amount_minor > 0 END",
            name="amount",
        ),
        CheckConstraint("kind IN ('ISSUE', 'ADJUST') OR order_id IS NOT NULL", name="order"),
        Index(None, "card_id", "id"),
        Index("ix_gift_card_entry_order", "order_id", postgresql_where=text("order_id IS NOT NULL")),
        Index(
            "uq_gift_card_entry_give_back",
            "order_id",
            "card_id",
            unique=True,
            postgresql_where=text("kind = 'GIVE_BACK'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    card_id: Mapped[UUID] = mapped_column(ForeignKey("gift_card.id"))
    kind: Mapped[str]
    amount_minor: Mapped[int]
    order_id: Mapped[UUID | None]
    operation_id: Mapped[UUID | None] = mapped_column(unique=True)
    reference: Mapped[str | None]
    actor: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class PointsAccount(Base):
    """A customer's points. `owed`: points of goods that came back after the points were spent; what comes in next pays
    these first."""

    __tablename__ = "points_account"
    __table_args__ = (
        CheckConstraint("balance >= 0 AND owed >= 0", name="balance"),
        CheckConstraint("balance = 0 OR owed = 0", name="owed"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"), primary_key=True)
    balance: Mapped[int] = mapped_column(server_default=text("0"))
    owed: Mapped[int] = mapped_column(server_default=text("0"))


class PointsEntry(Base):
    """A line of a customer's points. `amount_minor` is the money that it stands for, in minor units of the order.

    EARN: the order's total; REVERSE: what was given back of it, negative; others: what the points paid, signed as they.
    """

    __tablename__ = "points_entry"
    __table_args__ = (
        CheckConstraint("kind = 'ADJUST' OR order_id IS NOT NULL", name="order"),
        Index(None, "customer_id", "id"),
        Index("ix_points_entry_order", "order_id", postgresql_where=text("order_id IS NOT NULL")),
        Index("uq_points_entry_earn", "order_id", unique=True, postgresql_where=text("kind = 'EARN'")),
        Index("uq_points_entry_give_back", "order_id", unique=True, postgresql_where=text("kind = 'GIVE_BACK'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"))
    kind: Mapped[str]
    points: Mapped[int]
    amount_minor: Mapped[int | None]
    order_id: Mapped[UUID | None]
    operation_id: Mapped[UUID | None] = mapped_column(unique=True)
    reference: Mapped[str | None]
    actor: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
