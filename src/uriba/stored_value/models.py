"""Tables of gift cards and loyalty points. The ledgers are append-only; a balance is the sum of a ledger's entries."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class GiftCard(Base):
    """A gift card; balance in minor units. Of its code only the digest and the last four characters are stored."""

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
    """One entry of a gift card's ledger, in minor units of the card's currency.

    There is no foreign key to the order: during checkout its row does not exist yet. `operation_id` is the payment
    operation of a refund; unique, so that each refund is posted once.
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
    """A customer's points. `owed`: points to be reversed that were already spent; new points pay these first."""

    __tablename__ = "points_account"
    __table_args__ = (
        CheckConstraint("balance >= 0 AND owed >= 0", name="balance"),
        CheckConstraint("balance = 0 OR owed = 0", name="owed"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"), primary_key=True)
    balance: Mapped[int] = mapped_column(server_default=text("0"))
    owed: Mapped[int] = mapped_column(server_default=text("0"))


class PointsEntry(Base):
    """One entry of a customer's points ledger. `amount_minor` is the corresponding money in the order's minor units.

    EARN: the order's total. REVERSE: the part of it that was refunded, negative. Other kinds: the amount that the
    points paid, with the sign of the points.
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
