"""Tables of endpoints and their deliveries."""

from __future__ import annotations

from datetime import datetime
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


class Endpoint(Base):
    """A URL that receives webhooks. `position`: the feed up to here has been turned into deliveries.

    Its sender holds the lease until `lease_until`; `fence` counts holders and changes, so a sender that lost the lease
    writes nothing more. `next_at`: when an endpoint that is down is probed. `events` numbers the endpoint's own events.
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
    """A secret that signs deliveries. During the overlap of a rotation an endpoint has two."""

    __tablename__ = "endpoint_secret"
    __table_args__ = (Index("ix_endpoint_secret_endpoint_id", "endpoint_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("endpoint.id"))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]


class Delivery(Base):
    """One event for one endpoint. A coalesced one stands for the versions of a stock level from `first_version` on.
    A replay or a resumed endpoint sets `attempts` and `next_at` back.
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
    """A failed attempt: the status of the response, or why no response came. The response's body is never kept."""

    __tablename__ = "delivery_attempt"
    __table_args__ = (Index("ix_delivery_attempt_delivery_id", "delivery_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    took_ms: Mapped[int]
    response_code: Mapped[int | None]
    problem: Mapped[str | None]
