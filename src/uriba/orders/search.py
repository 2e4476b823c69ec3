"""Search of orders by what people at a counter or a desk know of an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, tuple_

from uriba.customers import customers
from uriba.db import Session
from uriba.db.rows import typed_rows
from uriba.orders.models import Order, OrderStatus, PaymentStatus
from uriba.orders.rows import OrderRow

_ORDER = Order.__table__.c
_EQUAL = ("channel_id", "location_id", "customer_id", "number", "receipt", "status", "payment_status")


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Conditions that orders must meet, all of them. `customer`: a loyalty card, e-mail address or phone number.

    The span of time includes `placed_from` and excludes `placed_to`.
    """

    channel_id: int | None = None
    location_id: int | None = None
    customer_id: UUID | None = None
    customer: str | None = None
    number: str | None = None
    receipt: str | None = None
    status: OrderStatus | None = None
    payment_status: PaymentStatus | None = None
    placed_from: datetime | None = None
    placed_to: datetime | None = None


async def find_orders(
    session: Session, order_filter: OrderFilter, *, first: int, after: UUID | None
) -> Sequence[OrderRow]:
    """Return orders, newest first, one more than `first`. The caller has checked that the actor may list them."""
    conditions = _conditions(order_filter)
    if order_filter.customer is not None:
        conditions.append(await _of_customer(session, order_filter.customer.strip()))
    query = (
        select(*(_ORDER[name] for name in OrderRow._fields))
        .where(and_(True, *conditions))
        .order_by(Order.placed_at.desc(), Order.id.desc())
        .limit(first + 1)
    )
    if after is not None:
        last = select(Order.placed_at, Order.id).where(Order.id == after)
        query = query.where(tuple_(Order.placed_at, Order.id) < last.scalar_subquery())
    return typed_rows(OrderRow, await session.select(query))


def _conditions(order_filter: OrderFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for name in _EQUAL:
        if (value := getattr(order_filter, name)) is not None:
            conditions.append(_ORDER[name] == value)
    if order_filter.placed_from is not None:
        conditions.append(Order.placed_at >= order_filter.placed_from)
    if order_filter.placed_to is not None:
        conditions.append(Order.placed_at < order_filter.placed_to)
    return conditions


async def _of_customer(session: Session, identifier: str) -> ColumnElement[bool]:
    """Return the condition for orders of the customer with this identifier, and of guests who gave it at checkout."""
    email, phone = identifier.lower(), "".join(c for c in identifier if c.isascii() and (c.isdigit() or c == "+"))
    customer_ids = await customers.ids_by_identifiers(
        session, loyalty_card=identifier, email=email, phone=phone or None
    )
    conditions: list[ColumnElement[bool]] = [Order.email == email]
    if phone:
        conditions.append(Order.phone == phone)
    if customer_ids:
        conditions.append(Order.customer_id.in_(customer_ids))
    return or_(*conditions)
