"""Tables of fulfillments."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base


class Fulfillment(Base):
    """A part of an order that one location handles in one way.

    `sourcing`: why this location was chosen (docs/sourcing.md). A pickup that is ready is kept until `hold_until` and
    handed over for `pickup_code`.
    """

    __tablename__ = "fulfillment"
    __table_args__ = (
        Index(None, "order_id"),
        Index(
            "ix_fulfillment_open",
            "location_id",
            "id",
            postgresql_where=text("status IN ('ALLOCATED', 'PICKED', 'READY_FOR_PICKUP')"),
        ),
        Index("ix_fulfillment_pickup_term", "hold_until", postgresql_where=text("status = 'READY_FOR_PICKUP'")),
        Index("ix_fulfillment_waiting", "id", postgresql_where=text("status = 'BACKORDERED'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    method: Mapped[str]
    status: Mapped[str]
    tracking: Mapped[str | None]
    reason: Mapped[str | None]
    pickup_code: Mapped[str | None]
    ready_by: Mapped[datetime | None]
    hold_until: Mapped[datetime | None]
    sourcing: Mapped[Any | None] = mapped_column(JSONB)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class FulfillmentLine(Base):
    """Units of an order line in a fulfillment."""

    __tablename__ = "fulfillment_line"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    fulfillment_id: Mapped[UUID] = mapped_column(ForeignKey("fulfillment.id"), primary_key=True)
    order_line_id: Mapped[UUID] = mapped_column(primary_key=True)
    quantity: Mapped[int]
