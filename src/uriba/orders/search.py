"""Search: the order book by what people at a counter or a desk know of an order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, tuple_

from uriba.customers.models import Customer
from uriba.db import Session
from uriba.orders.models import Order, OrderStatus, PaymentStatus
from uriba.orders.queries import COLUMNS

_ORDER = Order.__table__.c


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What is known; all of it must be so. `customer`: a loyalty card, e-mail address or phone number.

    `placed_from` is part of the span, `placed_to` is not.
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
    session: Session, search: OrderFilter, *, first: int, after: UUID | None
) -> Sequence[Mapping[str, Any]]:
    """Orders, newest first, one more than asked for. The caller has checked who may list."""
    names = [name.strip().removeprefix("o.") for name in COLUMNS.split(",")]
    statement = (
        select(*(_ORDER[name] for name in names))
        .where(and_(True, *_conditions(search)))
        .order_by(Order.placed_at.desc(), Order.id.desc())
        .limit(first + 1)
    )
    if after is not None:
        last = select(Order.placed_at, Order.id).where(Order.id == after)
        statement = statement.where(tuple_(Order.placed_at, Order.id) < last.scalar_subquery())
    return await session.select(statement)


def _conditions(search: OrderFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for name in ("channel_id", "location_id", "customer_id", "number", "receipt", "status", "payment_status"):
        if (value := getattr(search, name)) is not None:
            found.append(_ORDER[name] == value)
    if search.placed_from is not None:
        found.append(Order.placed_at >= search.placed_from)
    if search.placed_to is not None:
        found.append(Order.placed_at < search.placed_to)
    if search.customer is not None:
        found.append(_of_customer(search.customer.strip()))
    return found


def _of_customer(known: str) -> ColumnElement[bool]:
    """Whatever the customer is known by; a guest by what they gave at checkout."""
    address, number = known.lower(), "".join(c for c in known if c.isascii() and (c.isdigit() or c == "+"))
    ways = [Customer.loyalty_card == known, Customer.email == address]
    contacts: list[ColumnElement[bool]] = [Order.email == address]
    if number:
        ways.append(Customer.phone == number)
        contacts.append(Order.phone == number)
    return or_(Order.customer_id.in_(select(Customer.id).where(or_(*ways))), *contacts)
