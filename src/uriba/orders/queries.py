"""Reads of orders, batched. Queries that find an order take the actor: an order of another customer is not found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from uriba.core.actor import Actor
from uriba.db import Session
from uriba.db.rows import column_list, typed_row, typed_rows
from uriba.db.statements import fragment, statement
from uriba.orders.enums import OperationKind
from uriba.orders.rows import (
    OrderLineRow,
    OrderPromotionRow,
    OrderRow,
    OrderTaxLineRow,
    PaymentRow,
    RefundRow,
    ReturnLineRow,
    ReturnRow,
    TimelineRow,
)

ORDER_COLUMNS = column_list(OrderRow, "o")

VISIBLE = fragment("(o.customer_id = :actor_customer_id OR :actor_works_here)")
"""The orders `o` of the actor: the customer's own, or all for the retailer's own keys. Parameters: `visibility`."""

VISIBLE_ORDER = fragment(f"""
    EXISTS (SELECT FROM orders o WHERE o.id = {{order_id}} AND {VISIBLE})
""")
"""Whether the order with this id is the actor's. Parameters: `visibility`."""

PLACED_ORDERS = fragment("SELECT id AS order_id, number, channel_id, placed_at FROM orders")
"""The number, channel and time of orders, as a subquery."""

ORDERED_UNITS = fragment("SELECT id AS order_line_id, order_id, position, variant_id FROM order_line")
"""The variants of order lines, as a subquery."""

LINES_AS_JSON = fragment("""
    SELECT json_agg(json_build_object('id', id, 'variant_id', variant_id, 'sku', sku, 'name', name,
        'quantity', quantity, 'returned', returned_quantity, 'cancelled', cancelled_quantity,
        'total_minor', total_minor, 'rate', tax_rate::text) ORDER BY position)
    FROM order_line WHERE order_id = {order_id}
""")
"""The lines of an order as one JSON value. Rates are text, because a float would not be exact."""

TAX_LINES_AS_JSON = fragment("""
    SELECT json_agg(json_build_object('rate', rate::text, 'taxable_minor', taxable_minor, 'tax_minor', tax_minor)
        ORDER BY rate DESC)
    FROM order_tax_line WHERE order_id = {order_id}
""")
"""The tax lines of an order as one JSON value, as `RateTotals`."""


def visibility(actor: Actor) -> dict[str, object]:
    """Return the parameters of `VISIBLE` and `VISIBLE_ORDER`."""
    return {"actor_customer_id": actor.customer_id, "actor_works_here": actor.works_here}


async def by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, OrderRow]:
    rows = await session.fetch(_BY_ID, ids=ids, **visibility(actor))
    return {order.id: order for order in typed_rows(OrderRow, rows)}


_BY_ID = statement(f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.id = ANY(:ids) AND {VISIBLE}")


async def by_number(session: Session, number: str, *, actor: Actor) -> OrderRow | None:
    row = await session.fetchrow(_BY_NUMBER, number=number, **visibility(actor))
    return None if row is None else typed_row(OrderRow, row)


_BY_NUMBER = statement(f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.number = :number AND {VISIBLE}")


async def placed_order(session: Session, order_id: UUID) -> OrderRow:
    """Return the order that the caller has just placed, or had placed with the same idempotency key."""
    row = await session.fetchrow(_PLACED, order_id=order_id)
    assert row is not None
    return typed_row(OrderRow, row)


_PLACED = statement(f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.id = :order_id")


async def by_cart(session: Session, cart_ids: Sequence[UUID]) -> dict[UUID, OrderRow]:
    """Return the orders of carts. Callers that may see a cart may see its order: guests follow their orders so."""
    rows = await session.fetch(_BY_CART, cart_ids=cart_ids)
    return {order.cart_id: order for order in typed_rows(OrderRow, rows) if order.cart_id is not None}


_BY_CART = statement(f"SELECT {ORDER_COLUMNS} FROM orders o WHERE o.cart_id = ANY(:cart_ids)")


async def lines_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[OrderLineRow]]:
    return _by_order(order_ids, typed_rows(OrderLineRow, await session.fetch(_LINES_BY_ORDER, order_ids=order_ids)))


_LINE_COLUMNS = ", ".join(f"c.{name}" for name in OrderLineRow._fields if name != "currency")

_LINES_BY_ORDER = statement(f"""
    SELECT {_LINE_COLUMNS}, o.currency FROM order_line c JOIN orders o ON o.id = c.order_id
    WHERE c.order_id = ANY(:order_ids) ORDER BY c.order_id, c.position
""")


async def lines_by_id(session: Session, ids: Sequence[UUID]) -> dict[UUID, OrderLineRow]:
    return {line.id: line for line in typed_rows(OrderLineRow, await session.fetch(_LINES_BY_ID, ids=ids))}


_LINES_BY_ID = statement(f"""
    SELECT {_LINE_COLUMNS}, o.currency FROM order_line c JOIN orders o ON o.id = c.order_id WHERE c.id = ANY(:ids)
""")


async def payments_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[PaymentRow]]:
    return _by_order(order_ids, typed_rows(PaymentRow, await session.fetch(_PAYMENTS_BY_ORDER, order_ids=order_ids)))


_PAYMENT_COLUMNS = ", ".join(f"c.{name}" for name in PaymentRow._fields if name != "currency")

_PAYMENTS_BY_ORDER = statement(f"""
    SELECT {_PAYMENT_COLUMNS}, o.currency FROM payment c JOIN orders o ON o.id = c.order_id
    WHERE c.order_id = ANY(:order_ids) ORDER BY c.order_id, c.id
""")


async def payments_by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, PaymentRow]:
    rows = await session.fetch(_PAYMENTS_BY_ID, ids=ids, **visibility(actor))
    return {payment.id: payment for payment in typed_rows(PaymentRow, rows)}


_PAYMENTS_BY_ID = statement(f"""
    SELECT {_PAYMENT_COLUMNS}, o.currency FROM payment c JOIN orders o ON o.id = c.order_id
    WHERE c.id = ANY(:ids) AND {VISIBLE}
""")


async def refunds_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[RefundRow]]:
    """Return the refunds of orders, oldest first."""
    return _by_order(order_ids, typed_rows(RefundRow, await session.fetch(_REFUNDS_BY_ORDER, order_ids=order_ids)))


_REFUNDS_BY_ORDER = statement(f"""
    SELECT c.id, c.order_id, c.amount_minor, c.status, c.reason, c.created_at, c.settled_at, p.method, o.currency
    FROM payment_operation c JOIN payment p ON p.id = c.payment_id JOIN orders o ON o.id = c.order_id
    WHERE c.order_id = ANY(:order_ids) AND c.kind = '{OperationKind.REFUND}' ORDER BY c.order_id, c.id
""")


async def promotions_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[OrderPromotionRow]]:
    rows = await session.fetch(_PROMOTIONS_BY_ORDER, order_ids=order_ids)
    return _by_order(order_ids, typed_rows(OrderPromotionRow, rows))


_PROMOTIONS_BY_ORDER = statement("""
    SELECT c.order_id, c.promotion, c.name, c.coupon, c.amount_minor, o.currency
    FROM order_promotion c JOIN orders o ON o.id = c.order_id
    WHERE c.order_id = ANY(:order_ids) ORDER BY c.order_id, c.position
""")


async def tax_lines_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[OrderTaxLineRow]]:
    rows = await session.fetch(_TAX_LINES_BY_ORDER, order_ids=order_ids)
    return _by_order(order_ids, typed_rows(OrderTaxLineRow, rows))


_TAX_LINES_BY_ORDER = statement("""
    SELECT c.order_id, c.rate, c.taxable_minor, c.tax_minor, o.currency
    FROM order_tax_line c JOIN orders o ON o.id = c.order_id
    WHERE c.order_id = ANY(:order_ids) ORDER BY c.order_id, c.rate DESC
""")


async def returns_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[ReturnRow]]:
    return _by_order(order_ids, typed_rows(ReturnRow, await session.fetch(_RETURNS_BY_ORDER, order_ids=order_ids)))


_RETURN_COLUMNS = column_list(ReturnRow, "c")

_RETURNS_BY_ORDER = statement(f"""
    SELECT {_RETURN_COLUMNS} FROM order_return c
    WHERE c.order_id = ANY(:order_ids) ORDER BY c.order_id, c.created_at
""")


async def returns_by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, ReturnRow]:
    rows = await session.fetch(_RETURNS_BY_ID, ids=ids, **visibility(actor))
    return {order_return.id: order_return for order_return in typed_rows(ReturnRow, rows)}


_RETURNS_BY_ID = statement(f"""
    SELECT {_RETURN_COLUMNS} FROM order_return c JOIN orders o ON o.id = c.order_id
    WHERE c.id = ANY(:ids) AND {VISIBLE}
""")


async def lines_by_return(session: Session, return_ids: Sequence[UUID]) -> dict[UUID, list[ReturnLineRow]]:
    """Return the lines of returns that are linked to lines of an order."""
    found: dict[UUID, list[ReturnLineRow]] = {return_id: [] for return_id in return_ids}
    for line in typed_rows(ReturnLineRow, await session.fetch(_LINES_BY_RETURN, return_ids=return_ids)):
        found[line.return_id].append(line)
    return found


_LINES_BY_RETURN = statement("""
    SELECT l.return_id, l.order_line_id, l.quantity, l.restocked, l.condition, l.reason, l.refund_minor, r.currency
    FROM order_return_line l JOIN order_return r ON r.id = l.return_id
    WHERE l.return_id = ANY(:return_ids) AND l.order_line_id IS NOT NULL ORDER BY l.return_id, l.id
""")


async def timeline_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[TimelineRow]]:
    rows = await session.fetch(_TIMELINE_BY_ORDER, order_ids=order_ids)
    return _by_order(order_ids, typed_rows(TimelineRow, rows))


_TIMELINE_BY_ORDER = statement("""
    SELECT c.order_id, c.type, c.at, h.code AS channel, c.actor, c.data
    FROM order_event c LEFT JOIN channel h ON h.id = c.channel_id
    WHERE c.order_id = ANY(:order_ids) ORDER BY c.order_id, c.version
""")


class _OfOrder(Protocol):
    @property
    def order_id(self) -> UUID: ...


T = TypeVar("T", bound=_OfOrder)


def _by_order(order_ids: Sequence[UUID], records: Sequence[T]) -> dict[UUID, list[T]]:
    found: dict[UUID, list[T]] = {order_id: [] for order_id in order_ids}
    for record in records:
        found[record.order_id].append(record)
    return found
