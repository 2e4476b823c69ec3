"""The table of conflicts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class Conflict(Base):
    """A conflict. `key` distinguishes conflicts of one kind. `event`: the fact of a till, with how it was received."""

    __tablename__ = "conflict"
    __table_args__ = (
        Index("ix_conflict_open", "id", postgresql_where=text("status = 'OPEN'")),
        Index("ix_conflict_location", "location_id", "id"),
        Index("uq_conflict_fact", "key", unique=True, postgresql_where=text("kind IN ('PARKED', 'TAMPERED')")),
        Index(
            "uq_conflict_price",
            "key",
            unique=True,
            postgresql_where=text("kind = 'PRICE_VARIANCE' AND status = 'OPEN'"),
        ),
        Index("uq_conflict_shortage", "shortage_id", unique=True, postgresql_where=text("shortage_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'OPEN'"))
    key: Mapped[str | None]
    location_id: Mapped[int | None]
    variant_id: Mapped[int | None]
    order_id: Mapped[UUID | None]
    shortage_id: Mapped[int | None]
    terminal: Mapped[str | None]
    quantity: Mapped[int | None]
    message: Mapped[str]
    problems: Mapped[Any | None] = mapped_column(JSON)
    event: Mapped[Any | None] = mapped_column(JSON)
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    note: Mapped[str | None]
