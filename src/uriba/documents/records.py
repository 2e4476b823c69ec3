"""The stored facts of an order or a return that its documents are made from."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec


class IssuerRecord(msgspec.Struct, frozen=True):
    """The issuer as the channel's settings name it."""

    name: str | None = None
    registration_number: str | None = None
    address: str | None = None
    phone: str | None = None


class SaleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a sale that documents of orders and of returns share.

    `store`, `store_address` and `store_phone` are those of the store that issues the document. `timezone` is that of
    the store; for an order without a store, that of the first location of its channel.
    """

    order_number: str
    status: str
    currency: str
    prices_include_tax: bool
    placed_at: datetime
    channel_name: str
    issuer: IssuerRecord | None
    store: str | None
    store_address: str | None
    store_phone: str | None
    timezone: str
    receipt_number: str | None
    exchange_number: str | None


class OrderLineRecord(msgspec.Struct, frozen=True):
    """A line of an order."""

    name: str
    sku: str
    quantity: int
    cancelled_quantity: int
    unit_minor: int
    discount_minor: int
    total_minor: int
    rate: Decimal


class OrderTaxRecord(msgspec.Struct, frozen=True):
    """The tax of one rate of an order."""

    rate: Decimal
    taxable_minor: int
    tax_minor: int


class PaymentRecord(msgspec.Struct, frozen=True):
    """A payment of an order. `reference` is None for payments of a payment provider."""

    method: str
    amount_minor: int
    voided_minor: int
    tendered_minor: int | None
    reference: str | None


class PromotionRecord(msgspec.Struct, frozen=True):
    """The amount that a promotion took off an order."""

    name: str
    amount_minor: int


class OrderRecord(SaleRecord, frozen=True, kw_only=True):
    """An order, with all that its documents show."""

    payment_status: str
    subtotal_minor: int
    discount_minor: int
    shipping_minor: int
    tax_minor: int
    total_minor: int
    refunded_minor: int
    recipient: str | None
    lines: list[OrderLineRecord]
    taxes: list[OrderTaxRecord]
    payments: list[PaymentRecord]
    promotions: list[PromotionRecord]
    points: int


class ReturnLineRecord(msgspec.Struct, frozen=True):
    """A line of a return."""

    name: str
    sku: str
    quantity: int
    refund_minor: int
    rate: Decimal | None


class ReturnTaxRecord(msgspec.Struct, frozen=True):
    """The tax of one rate of a return."""

    rate: Decimal
    gross_minor: int
    tax_minor: int


class RefundRecord(msgspec.Struct, frozen=True):
    """A refund of a return. The method of goods that were exchanged is EXCHANGE."""

    method: str
    amount_minor: int


class ReturnRecord(SaleRecord, frozen=True, kw_only=True):
    """A return, with all that its document shows."""

    return_id: UUID
    refund_minor: int
    created_at: datetime
    lines: list[ReturnLineRecord]
    taxes: list[ReturnTaxRecord]
    payments: list[RefundRecord]
