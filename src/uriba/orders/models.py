"""Tables of orders."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, Sequence, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from uriba.db.base import Base

ORDER_NUMBER = Sequence("order_number", start=100_001, metadata=Base.metadata)
"""Order numbers are for people. They are not secret and give access to nothing."""


class Order(Base):
    """An order. Amounts in minor units of `currency`; `version` counts its events.

    `receipt`: the number that a till printed for the sale.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(
            "total_minor = subtotal_minor - discount_minor + shipping_minor "
            "+ CASE WHEN prices_include_tax THEN 0 ELSE tax_minor END",
            name="total",
        ),
        CheckConstraint("refunded_minor BETWEEN 0 AND total_minor", name="refunded"),
        Index("ix_orders_customer_id", "customer_id", "placed_at"),
        Index("ix_orders_placed_at", "placed_at", "id"),
        Index("ix_orders_email", "email", postgresql_where=text("email IS NOT NULL")),
        Index("ix_orders_phone", "phone", postgresql_where=text("phone IS NOT NULL")),
        Index("ix_orders_receipt", "receipt", postgresql_where=text("receipt IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True, server_default=text("nextval('order_number')::text"))
    cart_id: Mapped[UUID | None] = mapped_column(ForeignKey("cart.id"), unique=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"))
    cart_channel_id: Mapped[int] = mapped_column(ForeignKey("channel.id"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customer.id"))
    status: Mapped[str]
    payment_status: Mapped[str]
    currency: Mapped[str]
    prices_include_tax: Mapped[bool]
    subtotal_minor: Mapped[int]
    discount_minor: Mapped[int]
    shipping_minor: Mapped[int]
    tax_minor: Mapped[int]
    total_minor: Mapped[int]
    refunded_minor: Mapped[int] = mapped_column(server_default=text("0"))
    email: Mapped[str | None]
    phone: Mapped[str | None]
    address: Mapped[Any | None] = mapped_column(JSONB)
    receipt: Mapped[str | None]
    exchange_of: Mapped[UUID | None] = mapped_column(ForeignKey("orders.id"))
    version: Mapped[int]
    placed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OrderPromotion(Base):
    """The discount of a promotion on an order, as it was shown to the customer; in minor units."""

    __tablename__ = "order_promotion"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    promotion: Mapped[str]
    name: Mapped[str]
    coupon: Mapped[str | None]
    amount_minor: Mapped[int]


class OrderLine(Base):
    """A line of an order. Name, price and tax are copies, because the catalog may change.

    There is no foreign key to the variant: it would lock and write the variant's row for each line that is sold.
    """

    __tablename__ = "order_line"
    __table_args__ = (
        CheckConstraint("quantity > 0 AND returned_quantity BETWEEN 0 AND quantity", name="quantity"),
        CheckConstraint("cancelled_quantity BETWEEN 0 AND quantity", name="cancelled"),
        CheckConstraint("total_minor = unit_minor * quantity - discount_minor", name="total"),
        Index(None, "order_id", "position"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"))
    position: Mapped[int]
    variant_id: Mapped[int]
    sku: Mapped[str]
    name: Mapped[str]
    quantity: Mapped[int]
    returned_quantity: Mapped[int] = mapped_column(server_default=text("0"))
    cancelled_quantity: Mapped[int] = mapped_column(server_default=text("0"))
    unit_minor: Mapped[int]
    discount_minor: Mapped[int]
    total_minor: Mapped[int]
    tax_class: Mapped[str]
    tax_rate: Mapped[Decimal] = mapped_column(Numeric(7, 6))


class OrderTaxLine(Base):
    """Net and tax of one rate of an order, rounded once; in minor units."""

    __tablename__ = "order_tax_line"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    rate: Mapped[Decimal] = mapped_column(Numeric(7, 6), primary_key=True)
    taxable_minor: Mapped[int]
    tax_minor: Mapped[int]


class Payment(Base):
    """A payment of an order. Amounts in minor units.

    `reference`: the provider's or the till's. `key`: the hub's key of the charge. What was authorized is captured, or
    voided where the order does not need it any more; `capture_once`: all of it at the first shipment. `tendered_minor`:
    the cash that was handed over, change included.
    """

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint(
            "captured_minor >= 0 AND voided_minor >= 0 AND captured_minor + voided_minor <= amount_minor",
            name="captured",
        ),
        CheckConstraint("refunded_minor BETWEEN 0 AND captured_minor", name="refunded"),
        Index(None, "order_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"))
    method: Mapped[str]
    status: Mapped[str]
    amount_minor: Mapped[int]
    captured_minor: Mapped[int]
    refunded_minor: Mapped[int] = mapped_column(server_default=text("0"))
    voided_minor: Mapped[int] = mapped_column(server_default=text("0"))
    tendered_minor: Mapped[int | None]
    reference: Mapped[str | None]
    key: Mapped[str | None]
    capture_once: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PaymentOperation(Base):
    """A capture, void or refund: decided in the transaction of the change that needs it, done once afterwards.

    The id is the provider's idempotency key. The payment's sums include the amount from the moment it is decided.
    """

    __tablename__ = "payment_operation"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount"),
        Index(None, "order_id"),
        Index(None, "payment_id"),
        Index("ix_payment_operation_due", "next_at", postgresql_where=text("status = 'PENDING'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"))
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"))
    return_id: Mapped[UUID | None] = mapped_column(ForeignKey("order_return.id"))
    kind: Mapped[str]
    amount_minor: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=text("'PENDING'"))
    reason: Mapped[str]
    reference: Mapped[str | None]
    actor: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    settled_at: Mapped[datetime | None]


class OrderReturn(Base):
    """A return: units that a customer handed in at a location, and the refund for them, in minor units.

    A till may report a return before its sale, or without one: `order_id` is null until the sale is known. An exchange
    is a return with a new order.
    """

    __tablename__ = "order_return"
    __table_args__ = (
        CheckConstraint("refund_minor >= 0", name="refund"),
        Index(None, "order_id"),
        Index(
            "ix_order_return_waiting",
            "original_receipt",
            postgresql_where=text("order_id IS NULL AND original_receipt IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("orders.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    currency: Mapped[str]
    refund_minor: Mapped[int]
    receipt: Mapped[str | None]
    original_receipt: Mapped[str | None]
    reference: Mapped[str]
    exchange_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("orders.id"))
    note: Mapped[str | None]
    actor: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OrderReturnTax(Base):
    """The refunded gross of one tax rate and the tax within it, in minor units."""

    __tablename__ = "order_return_tax"

    return_id: Mapped[UUID] = mapped_column(ForeignKey("order_return.id"), primary_key=True)
    rate: Mapped[Decimal] = mapped_column(Numeric(7, 6), primary_key=True)
    gross_minor: Mapped[int]
    tax_minor: Mapped[int]


class OrderReturnLine(Base):
    """Returned units. `order_line_id`: the order line that they belong to, where it is known."""

    __tablename__ = "order_return_line"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"), Index(None, "return_id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    return_id: Mapped[UUID] = mapped_column(ForeignKey("order_return.id"))
    order_line_id: Mapped[UUID | None] = mapped_column(ForeignKey("order_line.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    quantity: Mapped[int]
    restocked: Mapped[bool]
    condition: Mapped[str | None]
    reason: Mapped[str | None]
    refund_minor: Mapped[int] = mapped_column(server_default=text("0"))


class OrderEvent(Base):
    """One line of an order's timeline."""

    __tablename__ = "order_event"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    channel_id: Mapped[int | None] = mapped_column(ForeignKey("channel.id"))
    actor: Mapped[str | None]
    data: Mapped[Any] = mapped_column(JSONB)
