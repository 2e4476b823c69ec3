"""Tables of alerts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class Alert(Base):
    """An alert about a subject ("Kind:key"). Of one kind, one alert is open about a subject at a time.

    `value` is the value measured when it opened, `threshold` the value that opens it. `calm_since`: the value has been
    good since then, but not for long enough to close the alert. `channel_id`: only keys of this channel see the alert.
    `events` counts the alert's events in the feed.
    """

    __tablename__ = "alert"
    __table_args__ = (
        CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged"),
        CheckConstraint("events = 1 + (closed_at IS NOT NULL)::int", name="events"),
        Index("uq_alert_open", "kind", "subject", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index("ix_alert_location_id", "location_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str]
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channel.id"))
    value: Mapped[float] = mapped_column(Float(53))
    threshold: Mapped[float] = mapped_column(Float(53))
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    calm_since: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    events: Mapped[int] = mapped_column(server_default=text("1"))


class AlertCursor(Base):
    """The position up to which the feed has been scanned for low stock: one row, whose lock serializes the scans."""

    __tablename__ = "alert_cursor"
    __table_args__ = (CheckConstraint("single", name="single"),)

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    position: Mapped[int]
