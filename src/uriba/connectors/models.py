"""Tables of connectors: sent values, imported orders, and reports of runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class Connector(Base):
    """A connector. Its `code` stays reserved after a deletion, for a connector with the same channel and kind.

    `position`: the feed up to here was followed; `prices_at`: price periods up to then were. `compared_at`: when all
    values were last compared; `location_ids`: the channel's locations of that time. `asked`: a run was requested.
    `batches` numbers what is sent; `order_cursor` is the channel's. `fence` counts lease holders and changes.
    """

    __tablename__ = "connector"
    __table_args__ = (
        CheckConstraint("kind IN ('FILE', 'REST')", name="kind"),
        CheckConstraint("(kind = 'REST') = (url IS NOT NULL)", name="url"),
        CheckConstraint("status IN ('ACTIVE', 'RETRYING', 'PAUSED')", name="status"),
        UniqueConstraint("code", name="uq_connector_code"),
        Index("ix_connector_due", "next_at", postgresql_where=text("deleted_at IS NULL AND status <> 'PAUSED'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str]
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"))
    kind: Mapped[str]
    url: Mapped[str | None]
    token: Mapped[str | None]
    every_s: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=text("'ACTIVE'"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    problem: Mapped[str | None]
    asked: Mapped[bool] = mapped_column(server_default=text("true"))
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ran_at: Mapped[datetime | None]
    position: Mapped[int]
    prices_at: Mapped[datetime | None]
    compared_at: Mapped[datetime | None]
    location_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    batches: Mapped[int] = mapped_column(server_default=text("0"))
    order_cursor: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class ConnectorValue(Base):
    """The value that a channel last accepted for a variant; `value` null: none yet. `told_at`: when it accepted it.

    `since`: since when the value may differ from the current one. `doubt`: a value was sent and it is unknown whether
    the channel accepted it, so the current value is sent again in any case. A refused value waits until `next_at`.
    """

    __tablename__ = "connector_value"
    __table_args__ = (
        CheckConstraint("kind IN ('AVAILABILITY', 'PRICE')", name="kind"),
        CheckConstraint("NOT doubt OR since IS NOT NULL", name="doubt"),
        Index(
            "ix_connector_value_due",
            "connector_id",
            "kind",
            "since",
            postgresql_where=text("since IS NOT NULL"),
        ),
    )

    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connector.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"), primary_key=True)
    value: Mapped[int | None]
    told_at: Mapped[datetime | None]
    since: Mapped[datetime | None]
    doubt: Mapped[bool] = mapped_column(server_default=text("false"))
    refusals: Mapped[int] = mapped_column(server_default=text("0"))
    refused_code: Mapped[str | None]
    refused_message: Mapped[str | None]
    next_at: Mapped[datetime | None]


class ConnectorOrder(Base):
    """An order of a channel, by its number there: placed once, however often it is received.

    `document`: the order as received, deleted when it is decided, because it contains personal data. `cart_id`: the
    cart of the hub's order.
    """

    __tablename__ = "connector_order"
    __table_args__ = (
        CheckConstraint("status IN ('NEW', 'WAITING', 'PLACED', 'REFUSED')", name="status"),
        CheckConstraint("(status = 'PLACED') = (cart_id IS NOT NULL)", name="placed"),
        CheckConstraint("(status IN ('NEW', 'WAITING')) = (document IS NOT NULL)", name="document"),
        Index(
            "ix_connector_order_due",
            "connector_id",
            "next_at",
            postgresql_where=text("status IN ('NEW', 'WAITING')"),
        ),
        Index(
            "ix_connector_order_untold",
            "connector_id",
            postgresql_where=text("acknowledged_at IS NULL AND status IN ('PLACED', 'REFUSED')"),
        ),
    )

    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connector.id"), primary_key=True)
    number: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(server_default=text("'NEW'"))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    document: Mapped[Any | None] = mapped_column(JSONB)
    cart_id: Mapped[UUID | None] = mapped_column(ForeignKey("cart.id"))
    code: Mapped[str | None]
    message: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deadline: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]


class ConnectorRun(Base):
    """The report of a run. `refused`: the first refused values and orders, with reasons."""

    __tablename__ = "connector_run"
    __table_args__ = (Index("ix_connector_run_connector_id", "connector_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    connector_id: Mapped[UUID] = mapped_column(ForeignKey("connector.id"))
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    seen: Mapped[int] = mapped_column(server_default=text("0"))
    sent: Mapped[int] = mapped_column(server_default=text("0"))
    accepted: Mapped[int] = mapped_column(server_default=text("0"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    orders_read: Mapped[int] = mapped_column(server_default=text("0"))
    orders_placed: Mapped[int] = mapped_column(server_default=text("0"))
    refused_count: Mapped[int] = mapped_column(server_default=text("0"))
    refused: Mapped[Any] = mapped_column(JSONB, server_default=text("'[]'"))
    next_at: Mapped[datetime | None]
    problem: Mapped[str | None]
