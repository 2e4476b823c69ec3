"""Search of orders by what people at a counter or a desk know of an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uriba.customers import customers
from uriba.db import Session
from uriba.db.rows import column_list, typed_rows
from uriba.db.statements import dynamic_statement, fragment
from uriba.orders.enums import OrderStatus, PaymentStatus
from uriba.orders.rows import OrderRow

_EQUAL = ("channel_id", "location_id", "customer_id", "number", "receipt", "status", "payment_status")
_CONDITIONS = {name: fragment(f"o.{name} = :{name}") for name in _EQUAL} | {
    "placed_from": fragment("o.placed_at >= :placed_from"),
    "placed_to": fragment("o.placed_at < :placed_to"),
}
"""The condition of each field of `OrderFilter`, but for `customer`."""


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
    conditions, params = _conditions(order_filter)
    if order_filter.customer is not None:
        conditions.append(_OF_CUSTOMER)
        params |= await _customer(session, order_filter.customer.strip())
    if after is not None:
        conditions.append(_AFTER)
        params["after"] = after
    query = _ORDERS.format(conditions=" AND ".join(conditions) or "true")
    return typed_rows(OrderRow, await session.fetch(dynamic_statement(query), limit=first + 1, **params))


_ORDERS = fragment(f"""
    SELECT {column_list(OrderRow, "o")} FROM orders o WHERE {{conditions}}
    ORDER BY o.placed_at DESC, o.id DESC LIMIT :limit
""")

_AFTER = fragment("(o.placed_at, o.id) < (SELECT l.placed_at, l.id FROM orders l WHERE l.id = :after)")

_OF_CUSTOMER = fragment("(o.email = :email OR o.phone = :phone OR o.customer_id = ANY(:customer_ids))")


def _conditions(order_filter: OrderFilter) -> tuple[list[str], dict[str, object]]:
    """Return the conditions that these filters set, and their parameters."""
    params = {name: value for name in _CONDITIONS if (value := getattr(order_filter, name)) is not None}
    return [_CONDITIONS[name] for name in params], params


async def _customer(session: Session, identifier: str) -> dict[str, object]:
    """Return the parameters for orders of the customer with this identifier, and of guests who gave it at checkout."""
    email, phone = identifier.lower(), "".join(c for c in identifier if c.isascii() and (c.isdigit() or c == "+"))
    customer_ids = await customers.ids_by_identifiers(
        session, loyalty_card=identifier, email=email, phone=phone or None
    )
    return {"email": email, "phone": phone or None, "customer_ids": customer_ids}
