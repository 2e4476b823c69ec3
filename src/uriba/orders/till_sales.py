"""Sales of tills: written as completed orders, many at once, as they happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from uriba.db.session import Insert, Session
from uriba.orders.enums import OrderStatus, PaymentStatus
from uriba.orders.events import OrderCompleted, OrderPlaced, PaymentUpdated, order_subject
from uriba.orders.placement import Tender
from uriba.outbox import Event, emit
from uriba.pricing.tax import TaxLine


class TillSaleLine(NamedTuple):
    """A line of a sale. Amounts in minor units."""

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


class TillSale(NamedTuple):
    """A completed sale: units handed over, money taken. Amounts in minor units, tax included."""

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
    lines: Sequence[TillSaleLine]
    tax_lines: Sequence[TaxLine]
    tenders: Sequence[Tender]


async def record_sales(session: Session, sales: Sequence[TillSale], *, actor: str) -> None:
    """Write sales as completed orders, with their payments and timelines, and emit their events."""
    if not sales:
        return
    await session.insert(_ORDERS, [_order_row(sale) for sale in sales])
    await session.insert(_LINES, [(sale.id, n, *line) for sale in sales for n, line in enumerate(sale.lines, 1)])
    await session.insert(
        _TAXES, [(sale.id, _rate(t), t.taxable_minor, t.tax_minor) for sale in sales for t in sale.tax_lines]
    )
    await session.insert(
        _PAYMENTS,
        [
            (t.id, sale.id, t.method, PaymentStatus.PAID, t.amount_minor, t.amount_minor, t.reference)
            for sale in sales
            for t in sale.tenders
        ],
    )
    events = [(sale, event) for sale in sales for event in _events(sale)]
    await session.insert(_TIMELINE, [_timeline_row(sale, event, actor) for sale, event in events])
    emit(session, *(event for _, event in events))


def _order_row(sale: TillSale) -> tuple[object, ...]:
    return (
        sale.id,
        sale.cart_id,
        sale.channel_id,
        sale.cart_channel_id,
        sale.location_id,
        sale.customer_id,
        OrderStatus.COMPLETED,
        PaymentStatus.PAID,
        sale.currency,
        True,
        sum(line.unit_minor * line.quantity for line in sale.lines),
        sum(line.discount_minor for line in sale.lines),
        0,
        sum(line.tax_minor for line in sale.tax_lines),
        sale.total_minor,
        sale.receipt,
        2 + len(sale.tenders),
        sale.placed_at,
    )


def _timeline_row(sale: TillSale, event: Event, actor: str) -> tuple[object, ...]:
    data = msgspec.json.encode(event.data).decode()
    return (sale.id, event.version, event.type, sale.placed_at, sale.channel_id, data, actor)


def _rate(line: TaxLine) -> str:
    return f"{float(line.rate):.6f}"


def _events(sale: TillSale) -> list[Event]:
    subject, cart = order_subject(sale.id), str(sale.cart_id) if sale.cart_id else None
    total = {"amountMinor": sale.total_minor, "currency": sale.currency}
    events: list[Event] = [OrderPlaced(subject, 1, {"status": OrderStatus.COMPLETED, "cart": cart, "total": total})]
    for tender in sale.tenders:
        data = {
            "payment": str(tender.id),
            "method": tender.method,
            "status": PaymentStatus.PAID,
            "cart": cart,
            "amount": {"amountMinor": tender.amount_minor, "currency": sale.currency},
        }
        events.append(PaymentUpdated(subject, len(events) + 1, data))
    events.append(OrderCompleted(subject, len(events) + 1, {"status": OrderStatus.COMPLETED, "cart": cart}))
    return events


_ORDERS = Insert(
    "orders",
    (
        ("id", "uuid"),
        ("cart_id", "uuid"),
        ("channel_id", "bigint"),
        ("cart_channel_id", "bigint"),
        ("location_id", "bigint"),
        ("customer_id", "uuid"),
        ("status", "text"),
        ("payment_status", "text"),
        ("currency", "text"),
        ("prices_include_tax", "boolean"),
        ("subtotal_minor", "bigint"),
        ("discount_minor", "bigint"),
        ("shipping_minor", "bigint"),
        ("tax_minor", "bigint"),
        ("total_minor", "bigint"),
        ("receipt", "text"),
        ("version", "bigint"),
        ("placed_at", "timestamptz"),
    ),
)
_LINES = Insert(
    "order_line",
    (
        ("order_id", "uuid"),
        ("position", "bigint"),
        ("id", "uuid"),
        ("variant_id", "bigint"),
        ("sku", "text"),
        ("name", "text"),
        ("quantity", "bigint"),
        ("unit_minor", "bigint"),
        ("discount_minor", "bigint"),
        ("total_minor", "bigint"),
        ("tax_class", "text"),
        ("tax_rate", "numeric"),
    ),
)
_TAXES = Insert(
    "order_tax_line",
    (("order_id", "uuid"), ("rate", "numeric"), ("taxable_minor", "bigint"), ("tax_minor", "bigint")),
)
_PAYMENTS = Insert(
    "payment",
    (
        ("id", "uuid"),
        ("order_id", "uuid"),
        ("method", "text"),
        ("status", "text"),
        ("amount_minor", "bigint"),
        ("captured_minor", "bigint"),
        ("reference", "text"),
    ),
)
_TIMELINE = Insert(
    "order_event",
    (
        ("order_id", "uuid"),
        ("version", "bigint"),
        ("type", "text"),
        ("at", "timestamptz"),
        ("channel_id", "bigint"),
        ("data", "jsonb"),
        ("actor", "text"),
    ),
)
