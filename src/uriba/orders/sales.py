"""Sales that have happened at tills: written into the order book as they were, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from uriba.db import Session
from uriba.orders.events import OrderCompleted, OrderPlaced, PaymentUpdated, order_subject
from uriba.orders.models import OrderStatus, PaymentStatus
from uriba.orders.placement import Tender
from uriba.outbox import Event, emit
from uriba.pricing.tax import TaxLine


class SoldLine(NamedTuple):
    """Units that left the shop; amounts in minor units."""

    id: UUID
    variant_id: int
    sku: str
    name: str
    quantity: int
    unit_minor: int
    discount_minor: int
    total_minor: int
    tax_class: str
    tax_rate: str


class Sale(NamedTuple):
    """A sale that is over: goods handed over, money taken. Amounts in minor units, tax included."""

    id: UUID
    cart_id: UUID | None
    channel_id: int
    cart_channel_id: int
    location_id: int
    customer_id: UUID | None
    currency: str
    total_minor: int
    receipt: str | None
    placed_at: datetime
    lines: Sequence[SoldLine]
    tax_lines: Sequence[TaxLine]
    tenders: Sequence[Tender]


def book(session: Session, sales: Sequence[Sale], *, actor: str) -> None:
    """Have the sales written as completed orders, with their money, their timeline and their events."""
    if not sales:
        return
    session.later(_ORDERS, *_columns(_order(sale) for sale in sales))
    session.later(
        _LINES,
        *_columns((sale.id, position, *line) for sale in sales for position, line in enumerate(sale.lines, 1)),
    )
    if taxes := [(sale.id, _rate(t), t.taxable_minor, t.tax_minor) for sale in sales for t in sale.tax_lines]:
        session.later(_TAXES, *_columns(taxes))
    if paid := [(t.id, sale.id, t.method, t.amount_minor, t.reference) for sale in sales for t in sale.tenders]:
        session.later(_PAYMENTS, *_columns(paid))
    told = [(sale, event) for sale in sales for event in _events(sale)]
    session.later(_TIMELINE, *_columns(_timeline(sale, event) for sale, event in told), actor)
    emit(session, *(event for _, event in told))


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _order(sale: Sale) -> tuple[object, ...]:
    tax = sum(line.tax_minor for line in sale.tax_lines)
    versions = 2 + len(sale.tenders)
    return (
        sale.id,
        sale.cart_id,
        sale.channel_id,
        sale.cart_channel_id,
        sale.location_id,
        sale.customer_id,
        sale.currency,
        sale.total_minor,
        tax,
        sale.receipt,
        versions,
        sale.placed_at,
    )


def _timeline(sale: Sale, event: Event) -> tuple[object, ...]:
    data = msgspec.json.encode(event.data).decode()
    return (sale.id, event.version, event.type, sale.placed_at, sale.channel_id, data)


def _rate(line: TaxLine) -> str:
    return f"{float(line.rate):.6f}"


def _events(sale: Sale) -> list[Event]:
    subject, cart = order_subject(sale.id), str(sale.cart_id) if sale.cart_id else None
    total = {"amountMinor": sale.total_minor, "currency": sale.currency}
    told: list[Event] = [OrderPlaced(subject, 1, {"status": OrderStatus.COMPLETED, "cart": cart, "total": total})]
    for tender in sale.tenders:
        amount = {"amountMinor": tender.amount_minor, "currency": sale.currency}
        state = {"payment": str(tender.id), "method": tender.method, "status": PaymentStatus.PAID, "cart": cart}
        told.append(PaymentUpdated(subject, len(told) + 1, {**state, "amount": amount}))
    told.append(OrderCompleted(subject, len(told) + 1, {"status": OrderStatus.COMPLETED, "cart": cart}))
    return told


_ORDERS = """
    INSERT INTO orders (id, cart_id, channel_id, cart_channel_id, location_id, customer_id, status, payment_status,
        currency, prices_include_tax, subtotal_minor, discount_minor, shipping_minor, tax_minor, total_minor, receipt,
        version, placed_at)
    SELECT id, cart_id, channel_id, cart_channel_id, location_id, customer_id, 'COMPLETED', 'PAID', currency, true,
        total_minor, 0, 0, tax_minor, total_minor, receipt, version, placed_at
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::uuid[], $7::text[],
        $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::timestamptz[]) AS o(id, cart_id, channel_id,
        cart_channel_id, location_id, customer_id, currency, total_minor, tax_minor, receipt, version, placed_at)
"""

_LINES = """
    INSERT INTO order_line (order_id, position, id, variant_id, sku, name, quantity, unit_minor, discount_minor,
        total_minor, tax_class, tax_rate)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::numeric[])
"""

_TAXES = """
    INSERT INTO order_tax_line (order_id, rate, taxable_minor, tax_minor)
    SELECT * FROM unnest($1::uuid[], $2::numeric[], $3::bigint[], $4::bigint[])
"""

_PAYMENTS = """
    INSERT INTO payment (id, order_id, method, status, amount_minor, captured_minor, reference)
    SELECT id, order_id, method, 'PAID', amount_minor, amount_minor, reference
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[])
        AS p(id, order_id, method, amount_minor, reference)
"""

_TIMELINE = """
    INSERT INTO order_event (order_id, version, type, at, channel_id, data, actor)
    SELECT order_id, version, type, at, channel_id, data, $7
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[], $6::jsonb[])
        AS e(order_id, version, type, at, channel_id, data)
"""
