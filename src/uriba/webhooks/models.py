"""Tables of endpoints and their deliveries."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class EndpointStatus(StrEnum):
    """ACTIVE: what it was sent last was taken. RETRYING: it was not. PAUSED: nothing is sent until it is resumed."""

    ACTIVE = "ACTIVE"
    RETRYING = "RETRYING"
    PAUSED = "PAUSED"


class DeliveryStatus(StrEnum):
    """PENDING: to be sent, again where it failed. DELIVERED: taken. FAILED: given up by a person, kept for replay."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class Endpoint(Base):
    """Where a channel is told. `position`: what the feed has up to here was made into deliveries.

    Whoever sends for it holds the lease; `fence` counts its holders, so that one that lost it writes nothing more.
    `next_at`: nothing is sent before, because the whole endpoint fails. `events` counts what was said of the endpoint.
    """

    __tablename__ = "endpoint"
    __table_args__ = (
        CheckConstraint("status IN ('ACTIVE', 'RETRYING', 'PAUSED')", name="status"),
        CheckConstraint("(status = 'PAUSED') = (paused_at IS NOT NULL)", name="paused"),
        Index("ix_endpoint_live", "id", postgresql_where=text("deleted_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    url: Mapped[str]
    types: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channel.id"))
    position: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=text("'ACTIVE'"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    failing_since: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    paused_reason: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(server_default=text("0"))
    events: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class EndpointSecret(Base):
    """What deliveries are signed with: one or two at a time, where a rotation's overlap has not ended."""

    __tablename__ = "endpoint_secret"
    __table_args__ = (Index("ix_endpoint_secret_endpoint_id", "endpoint_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("endpoint.id"))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]


class Delivery(Base):
    """One event for one endpoint. Where it lagged, one delivery may stand for several versions of a stock level: from
    `first_version` on. `attempts` and `next_at` are those of its present turn; a replay begins another.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint("status IN ('PENDING', 'DELIVERED', 'FAILED')", name="status"),
        CheckConstraint("first_version BETWEEN 1 AND version", name="versions"),
        Index("uq_delivery_endpoint_id_position", "endpoint_id", "position", unique=True),
        Index("ix_delivery_pending", "endpoint_id", "position", postgresql_where=text("status = 'PENDING'")),
        Index("ix_delivery_ended_at", "ended_at", postgresql_where=text("status <> 'PENDING'")),
        # The deliveries that were given up: a few of millions.
        Index("ix_delivery_failed", "endpoint_id", "position", postgresql_where=text("status = 'FAILED'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("endpoint.id"))
    position: Mapped[int]
    event_id: Mapped[int]
    subject: Mapped[str]
    version: Mapped[int]
    first_version: Mapped[int]
    event_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(server_default=text("'PENDING'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime | None]
    response_code: Mapped[int | None]
    problem: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DeliveryAttempt(Base):
    """One try, and what came back: the answer's status, or what was wrong with the line. Never the answer itself."""

    __tablename__ = "delivery_attempt"
    __table_args__ = (Index("ix_delivery_attempt_delivery_id", "delivery_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    took_ms: Mapped[int]
    response_code: Mapped[int | None]
    problem: Mapped[str | None]
