"""The table of checkouts that wait for a payment provider."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class AttemptStatus(StrEnum):
    """PENDING until the provider's answer is known; ENDING while the hub takes the charge back.

    Without an order it ends DECLINED (the provider said no), ABANDONED (it never said yes) or SOLD_OUT (the hold had
    ended and somebody else had the goods).
    """

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    DECLINED = "DECLINED"
    ENDING = "ENDING"
    ABANDONED = "ABANDONED"
    SOLD_OUT = "SOLD_OUT"


class CheckoutAttempt(Base):
    """What was agreed and is being paid, committed before the provider is asked.

    It owns the holds, names the order that it will be, and carries the provider's idempotency keys. A crash at any
    point leaves a PENDING or ENDING row, which a sweep finishes.
    """

    __tablename__ = "checkout_attempt"
    __table_args__ = (
        Index("ix_checkout_attempt_due", "next_at", postgresql_where=text("status IN ('PENDING', 'ENDING')")),
        Index(
            "uq_checkout_attempt_cart",
            "cart_id",
            unique=True,
            postgresql_where=text("status IN ('PENDING', 'ENDING')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    cart_id: Mapped[UUID] = mapped_column(ForeignKey("cart.id"))
    order_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default=text("'PENDING'"))
    reason: Mapped[str | None]
    action: Mapped[Any | None] = mapped_column(JSONB)
    draft: Mapped[Any] = mapped_column(JSONB)
    actor: Mapped[str]
    next_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class ProviderEvent(Base):
    """What a provider told of a charge, once each: by its answer, by its webhook, or when it was asked."""

    __tablename__ = "provider_event"

    provider: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
    charge: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    heard_at: Mapped[datetime] = mapped_column(server_default=func.now())
