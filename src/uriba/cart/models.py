"""Tables of the shared cart."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
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


class Cart(Base):
    """A cart. `version` counts its changes, `events` its emitted events.

    It was created in `channel_id` and is priced in `priced_in_id`. The two differ once a terminal of another channel
    has claimed it; `location_id` is then the terminal's. While `checkout_id` is set, a payment is in progress and
    nothing else may change the cart.
    """

    __tablename__ = "cart"
    __table_args__ = (
        Index("uq_cart_active_customer", "customer_id", unique=True, postgresql_where=text("status = 'ACTIVE'")),
        Index("ix_cart_customer_id", "customer_id", "updated_at"),
        Index("ix_cart_stale", "updated_at", postgresql_where=text("status = 'ACTIVE'")),
        # Rows that change often keep room on their page, so that a change touches no index.
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(server_default=text("'ACTIVE'"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    events: Mapped[int] = mapped_column(server_default=text("1"))
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"))
    priced_in_id: Mapped[int] = mapped_column(ForeignKey("channel.id"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customer.id"))
    last_changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("channel.id"))
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("cart.id"))
    checkout_id: Mapped[UUID | None]
    address: Mapped[Any | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CartLine(Base):
    """Units of one variant with one fulfillment method. `chosen`: the customer or staff chose it; else it is a default.

    `added_minor` is the unit price when the quantity was last set: the price that the customer saw.
    """

    __tablename__ = "cart_line"
    __table_args__ = (
        UniqueConstraint(
            "cart_id",
            "variant_id",
            "method",
            "location_id",
            name="uq_cart_line_key",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("quantity > 0", name="quantity"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    cart_id: Mapped[UUID] = mapped_column(ForeignKey("cart.id", ondelete="CASCADE"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    quantity: Mapped[int]
    method: Mapped[str]
    chosen: Mapped[bool] = mapped_column(server_default=text("false"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    added_minor: Mapped[int]


class CartCoupon(Base):
    """A coupon that a cart holds; whether it discounts anything is evaluated whenever the cart is priced."""

    __tablename__ = "cart_coupon"

    cart_id: Mapped[UUID] = mapped_column(ForeignKey("cart.id", ondelete="CASCADE"), primary_key=True)
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupon.id"), primary_key=True)
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Handoff(Base):
    """A code that gives a cart to another device or a till, once; only its digest is stored."""

    __tablename__ = "handoff"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    cart_id: Mapped[UUID] = mapped_column(ForeignKey("cart.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[str | None]
