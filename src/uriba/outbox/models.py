"""Tables of the event feed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class OutboxEvent(Base):
    """An event, written in the transaction of its change. `position` is its place in the feed, given by the relay."""

    __tablename__ = "outbox_event"
    __table_args__ = (
        Index("ix_outbox_event_due", "id", postgresql_where=text("position IS NULL")),
        Index("uq_outbox_event_position", "position", unique=True, postgresql_where=text("position IS NOT NULL")),
        Index("uq_outbox_event_subject_version", "subject", "version", unique=True),
        # Rows that change often keep room on their page, so that a change touches no index.
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    position: Mapped[int | None]
    type: Mapped[str]
    subject: Mapped[str]
    version: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    data: Mapped[Any] = mapped_column(JSONB)


class Feed(Base):
    """The state of the feed, one row, whose lock serializes relays. Events up to `forgotten` are deleted."""

    __tablename__ = "feed"
    __table_args__ = (CheckConstraint("single", name="single"),)

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    position: Mapped[int] = mapped_column(server_default=text("0"))
    forgotten: Mapped[int] = mapped_column(server_default=text("0"))
