"""Tables of alerts and of those who read the feed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from uriba.access.models import AccessKey
from uriba.db.base import Base
from uriba.webhooks.models import Delivery


class AlertKind(StrEnum):
    """What people are told of.

    TERMINAL_SILENT: a till did not sync for a while in the opening hours of its store, in seconds. ENDPOINT_PAUSED: an
    endpoint was given up, and nobody is told. FEED_LAG: events wait for their place in the feed, in seconds. LOW_STOCK:
    what a location may promise of a variant fell low, in units. SHORTAGES_OPEN: a location owes promised units for a
    while, in seconds.
    """

    TERMINAL_SILENT = "TERMINAL_SILENT"
    ENDPOINT_PAUSED = "ENDPOINT_PAUSED"
    FEED_LAG = "FEED_LAG"
    LOW_STOCK = "LOW_STOCK"
    SHORTAGES_OPEN = "SHORTAGES_OPEN"


class AlertStatus(StrEnum):
    """An alert is open until what it is about is well again."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


class Alert(Base):
    """One alert about one subject ("Kind:key"): open once at a time. `events` counts what the feed said of it.

    `value` is what was measured when it was opened, `threshold` what opens it. `calm_since`: all is well since then,
    but not yet for long enough to close it. `channel_id`: only this channel's keys are concerned.
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
    """How far the feed was looked through for low stock: a single row, whose lock makes sweeps take turns."""

    __tablename__ = "alert_cursor"
    __table_args__ = (CheckConstraint("single", name="single"),)

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    position: Mapped[int]


class FeedReader(Base):
    """How far a key has read the feed, by the cursors that it asked after."""

    __tablename__ = "feed_reader"

    key_id: Mapped[str] = mapped_column(ForeignKey("access_key.id"), primary_key=True)
    position: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_delivery_failed", Delivery.endpoint_id, Delivery.position, postgresql_where=text("status = 'FAILED'"))
"""What endpoints were never told: a few of millions."""

Index(
    "ix_access_key_location_id",
    AccessKey.location_id,
    AccessKey.id,
    postgresql_where=text("location_id IS NOT NULL"),
)
"""The tills of a location, among many tokens of customers."""
