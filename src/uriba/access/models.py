"""The table of keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class AccessKey(Base):
    """A key of a terminal, an app or a staff member, or a customer's token, which expires.

    Only the SHA-256 digest of its secret is stored. The key of a terminal identifies the terminal.
    """

    __tablename__ = "access_key"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        CheckConstraint("(role = 'TERMINAL') = (location_id IS NOT NULL)", name="terminal"),
        CheckConstraint("(role = 'CUSTOMER') = (customer_id IS NOT NULL)", name="customer"),
        Index("ix_access_key_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        # The tills of a location, among many tokens of customers.
        Index("ix_access_key_location_id", "location_id", "id", postgresql_where=text("location_id IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str | None]
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channel.id"))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customer.id"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class HandoffGuess(Base):
    """Wrong codes of one caller: counted here, so that a lost cache does not open the door."""

    __tablename__ = "handoff_guess"

    caller: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    guesses: Mapped[int] = mapped_column(server_default=text("1"))
