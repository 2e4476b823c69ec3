"""The table of customers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class Customer(Base):
    """A customer. Each identifier belongs to at most one customer; e-mail is in lower case, phone in digits."""

    __tablename__ = "customer"
    __table_args__ = (CheckConstraint("num_nonnulls(loyalty_card, email, phone) > 0", name="identified"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    loyalty_card: Mapped[str | None] = mapped_column(unique=True)
    email: Mapped[str | None] = mapped_column(unique=True)
    phone: Mapped[str | None] = mapped_column(unique=True)
    name: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
