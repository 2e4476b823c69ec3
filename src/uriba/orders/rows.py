"""Rows of orders as queries return them. Amounts in minor units of `currency`, which is the order's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID


class OrderRow(NamedTuple):
    """An order. `version` counts its events."""

    id: UUID
    number: str
    status: str
    payment_status: str
    channel_id: int
    cart_channel_id: int
    location_id: int | None
    customer_id: UUID | None
    cart_id: UUID | None
    currency: str
    subtotal_minor: int
    discount_minor: int
    tax_minor: int
    shipping_minor: int
    total_minor: int
    refunded_minor: int
    receipt: str | None
    exchange_of: UUID | None
    version: int
    placed_at: datetime


class OrderLineRow(NamedTuple):
    """A line of an order. `total_minor`: after discounts."""

    id: UUID
    order_id: UUID
    variant_id: int
    sku: str
    name: str
    quantity: int
    returned_quantity: int
    cancelled_quantity: int
    unit_minor: int
    discount_minor: int
    total_minor: int
    currency: str


class PaymentRow(NamedTuple):
    """A payment of an order. `tendered_minor`: the cash that was handed over."""

    id: UUID
    order_id: UUID
    method: str
    status: str
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    tendered_minor: int | None
    reference: str | None
    currency: str

    @property
    def change_minor(self) -> int | None:
        """The cash that was given back at once."""
        return None if self.tendered_minor is None else self.tendered_minor - self.amount_minor


class RefundRow(NamedTuple):
    """A refund: a payment operation of kind REFUND. `method`: the payment's."""

    id: UUID
    order_id: UUID
    amount_minor: int
    status: str
    reason: str
    created_at: datetime
    settled_at: datetime | None
    method: str
    currency: str


class OrderPromotionRow(NamedTuple):
    """The discount of one promotion. `promotion`: its code; `coupon`: the code that asked for it."""

    order_id: UUID
    promotion: str
    name: str
    coupon: str | None
    amount_minor: int
    currency: str


class OrderTaxLineRow(NamedTuple):
    """Net and tax of one rate of an order."""

    order_id: UUID
    rate: Decimal
    taxable_minor: int
    tax_minor: int
    currency: str


class ReturnRow(NamedTuple):
    """A return. `exchange_order_id`: the new order of an exchange."""

    id: UUID
    order_id: UUID
    location_id: int
    currency: str
    refund_minor: int
    note: str | None
    exchange_order_id: UUID | None
    created_at: datetime


class ReturnLineRow(NamedTuple):
    """Returned units of an order line. `condition`: None where the units are not kept as stock."""

    return_id: UUID
    order_line_id: UUID
    quantity: int
    restocked: bool
    condition: str | None
    reason: str | None
    refund_minor: int
    currency: str


class TimelineRow(NamedTuple):
    """A line of an order's timeline. `channel`: the channel's code."""

    order_id: UUID
    type: str
    at: datetime
    channel: str | None
    actor: str | None
    data: Mapping[str, Any]
