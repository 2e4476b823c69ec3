"""The table of checkouts that wait for a payment provider."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class CheckoutAttempt(Base):
    """A checkout that waits for a payment provider, committed before the provider is called.

    It owns the holds, has the id of the order that it will become, and the idempotency keys of its charges. A crash at
    any point leaves a PENDING or ENDING row, which a sweep finishes.
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
    """A state of a charge that a provider reported, by its answer or its webhook. Each is kept once."""

    __tablename__ = "provider_event"

    provider: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
    charge: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    received_at: Mapped[datetime] = mapped_column("heard_at", server_default=func.now())
