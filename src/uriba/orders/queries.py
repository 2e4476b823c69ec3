"""Reads of orders. Those that find an order take the actor: what is not the actor's does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.core.actor import Actor
from uriba.core.errors import Invalid
from uriba.db import Row, Session

COLUMNS = """
    o.id, o.number, o.status, o.payment_status, o.channel_id, o.cart_channel_id, o.location_id, o.customer_id,
    o.cart_id, o.currency, o.subtotal_minor, o.discount_minor, o.tax_minor, o.shipping_minor, o.total_minor,
    o.refunded_minor, o.receipt, o.exchange_of, o.version, o.placed_at
"""


_LINES = """
    SELECT c.id, c.order_id, c.variant_id, c.sku, c.name, c.quantity, c.returned_quantity, c.cancelled_quantity,
        c.unit_minor, c.discount_minor, c.total_minor, o.currency
    FROM order_line c JOIN orders o ON o.id = c.order_id
"""


async def by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, Row]:
    """Orders that are the actor's: its customer's, or any for the retailer's own keys."""
    rows = await session.fetch(
        f"SELECT {COLUMNS} FROM orders o WHERE o.id = ANY($1) AND (o.customer_id = $2 OR $3)",
        ids,
        actor.customer_id,
        actor.works_here,
    )
    return {row["id"]: row for row in rows}


async def by_number(session: Session, number: str, *, actor: Actor) -> Row | None:
    return await session.fetchrow(
        f"SELECT {COLUMNS} FROM orders o WHERE o.number = $1 AND (o.customer_id = $2 OR $3)",
        number,
        actor.customer_id,
        actor.works_here,
    )


async def placed_order(session: Session, order_id: UUID) -> Row:
    """The order that the caller has just placed, or placed before with the same key."""
    row = await session.fetchrow(f"SELECT {COLUMNS} FROM orders o WHERE o.id = $1", order_id)
    assert row is not None
    return row


async def by_cart(session: Session, cart_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """The orders that carts became. Whoever may see the cart may see its order: guests follow theirs so."""
    rows = await session.fetch(f"SELECT {COLUMNS} FROM orders o WHERE o.cart_id = ANY($1)", cart_ids)
    return {row["cart_id"]: row for row in rows}


async def lines_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    return await _children(
        session,
        f"{_LINES} WHERE c.order_id = ANY($1) ORDER BY c.order_id, c.position",
        order_ids,
    )


async def payments_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    return await _children(
        session,
        f"{_PAYMENTS} WHERE c.order_id = ANY($1) ORDER BY c.order_id, c.id",
        order_ids,
    )


_PAYMENTS = """
    SELECT c.id, c.order_id, c.method, c.status, c.amount_minor, c.captured_minor, c.refunded_minor, c.tendered_minor,
        c.reference, o.currency
    FROM payment c JOIN orders o ON o.id = c.order_id
"""


async def promotions_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    return await _children(
        session,
        "SELECT c.order_id, c.promotion, c.name, c.coupon, c.amount_minor, o.currency FROM order_promotion c "
        "JOIN orders o ON o.id = c.order_id WHERE c.order_id = ANY($1) ORDER BY c.order_id, c.position",
        order_ids,
    )


async def tax_lines_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    return await _children(
        session,
        "SELECT c.order_id, c.rate, c.taxable_minor, c.tax_minor, o.currency FROM order_tax_line c "
        "JOIN orders o ON o.id = c.order_id WHERE c.order_id = ANY($1) ORDER BY c.order_id, c.rate DESC",
        order_ids,
    )


async def returns_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    return await _children(
        session, f"{_RETURNS} WHERE c.order_id = ANY($1) ORDER BY c.order_id, c.created_at", order_ids
    )


_RETURNS = """
    SELECT c.id, c.order_id, c.location_id, c.currency, c.refund_minor, c.note, c.exchange_order_id, c.created_at
    FROM order_return c
"""


async def returns_by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, Row]:
    rows = await session.fetch(
        f"{_RETURNS} JOIN orders o ON o.id = c.order_id WHERE c.id = ANY($1) AND (o.customer_id = $2 OR $3)",
        ids,
        actor.customer_id,
        actor.works_here,
    )
    return {row["id"]: row for row in rows}


async def lines_by_return(session: Session, return_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    """Units that came back, where it is known which of the order's they are."""
    found: dict[UUID, list[Row]] = {return_id: [] for return_id in return_ids}
    rows = await session.fetch(
        "SELECT l.return_id, l.order_line_id, l.quantity, l.restocked, l.condition, l.reason, l.refund_minor, "
        "r.currency FROM order_return_line l JOIN order_return r ON r.id = l.return_id "
        "WHERE l.return_id = ANY($1) AND l.order_line_id IS NOT NULL ORDER BY l.return_id, l.id",
        return_ids,
    )
    for row in rows:
        found[row["return_id"]].append(row)
    return found


async def timeline_by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    return await _children(
        session,
        "SELECT c.order_id, c.type, c.at, h.code AS channel, c.actor, c.data FROM order_event c "
        "LEFT JOIN channel h ON h.id = c.channel_id WHERE c.order_id = ANY($1) ORDER BY c.order_id, c.version",
        order_ids,
    )


async def lines_by_id(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row]:
    rows = await session.fetch(f"{_LINES} WHERE c.id = ANY($1)", ids)
    return {row["id"]: row for row in rows}


async def payments_by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, Row]:
    rows = await session.fetch(
        f"{_PAYMENTS} WHERE c.id = ANY($1) AND (o.customer_id = $2 OR $3)",
        ids,
        actor.customer_id,
        actor.works_here,
    )
    return {row["id"]: row for row in rows}


async def _children(session: Session, sql: str, order_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = {order_id: [] for order_id in order_ids}
    for row in await session.fetch(sql, order_ids):
        found[row["order_id"]].append(row)
    return found


def order_id_of_cursor(key: str | None) -> UUID | None:
    """The order within a cursor. Errors: `Invalid`."""
    try:
        return UUID(key) if key is not None else None
    except ValueError:
        raise Invalid("This is not a cursor of this list.", "after") from None
