"""Reads of orders and returns for documents, each in one statement. Rows that the actor may not see do not exist."""

from __future__ import annotations

from uuid import UUID

import msgspec

from uriba.cart.queries import VISIBLE
from uriba.core.actor import Actor
from uriba.db import Session
from uriba.db.statements import statement
from uriba.documents.records import OrderRecord, ReturnRecord

_SALE_COLUMNS = """
    o.number AS order_number, o.status, o.currency, o.prices_include_tax, o.placed_at, h.name AS channel_name, h.issuer,
    l.name AS store, l.address AS store_address, l.phone AS store_phone,
    coalesce(l.timezone, (SELECT b.timezone FROM channel_location s JOIN location b ON b.id = s.location_id
        WHERE s.channel_id = o.channel_id ORDER BY s.position LIMIT 1), 'UTC') AS timezone
"""

_ORDER = f"""
    SELECT {_SALE_COLUMNS}, o.payment_status, o.subtotal_minor, o.discount_minor, o.shipping_minor, o.tax_minor,
        o.total_minor, o.refunded_minor, o.receipt AS receipt_number, e.number AS exchange_number,
        coalesce(o.address ->> 'name', u.name) AS recipient,
        (SELECT coalesce(json_agg(json_build_object('name', x.name, 'sku', x.sku, 'quantity', x.quantity,
            'cancelled_quantity', x.cancelled_quantity, 'unit_minor', x.unit_minor,
            'discount_minor', x.discount_minor, 'total_minor', x.total_minor, 'rate', x.tax_rate::text)
            ORDER BY x.position), '[]')
            FROM order_line x WHERE x.order_id = o.id) AS lines,
        (SELECT coalesce(json_agg(json_build_object('rate', x.rate::text, 'taxable_minor', x.taxable_minor,
            'tax_minor', x.tax_minor) ORDER BY x.rate DESC), '[]')
            FROM order_tax_line x WHERE x.order_id = o.id) AS taxes,
        (SELECT coalesce(json_agg(json_build_object('method', x.method, 'amount_minor', x.amount_minor,
            'voided_minor', x.voided_minor, 'tendered_minor', x.tendered_minor,
            'reference', CASE WHEN x.key IS NULL THEN x.reference END) ORDER BY x.id), '[]')
            FROM payment x WHERE x.order_id = o.id) AS payments,
        (SELECT coalesce(json_agg(json_build_object('name', x.name, 'amount_minor', x.amount_minor)
            ORDER BY x.position), '[]') FROM order_promotion x WHERE x.order_id = o.id) AS promotions,
        (SELECT coalesce(sum(x.points), 0)::bigint FROM points_entry x
            WHERE x.order_id = o.id AND x.kind IN ('EARN', 'REVERSE')) AS points
    FROM orders o JOIN channel h ON h.id = o.channel_id LEFT JOIN location l ON l.id = o.location_id
    LEFT JOIN customer u ON u.id = o.customer_id LEFT JOIN orders e ON e.id = o.exchange_of
"""

_ORDER_VISIBLE = "(o.customer_id = :actor_customer_id OR :actor_works_here)"
"""Whether an actor may see an order: its customer and the retailer's own keys may."""

_ORDER_BY_ID = statement(f"{_ORDER} WHERE o.id = :order_id AND {_ORDER_VISIBLE}")
_ORDER_BY_CART = statement(f"{_ORDER} JOIN cart c ON c.id = o.cart_id WHERE c.id = :cart_id AND {VISIBLE}")

_RETURN_BY_ID = statement(f"""
    SELECT {_SALE_COLUMNS}, r.id AS return_id, r.receipt AS receipt_number, r.refund_minor, r.created_at,
        n.number AS exchange_number,
        (SELECT coalesce(json_agg(json_build_object('name', coalesce(b.name, v.name), 'sku', coalesce(b.sku, v.sku),
            'quantity', x.quantity, 'refund_minor', x.refund_minor, 'rate', b.tax_rate::text)
            ORDER BY b.position, x.id), '[]')
            FROM order_return_line x JOIN variant v ON v.id = x.variant_id
            LEFT JOIN order_line b ON b.id = x.order_line_id WHERE x.return_id = r.id) AS lines,
        (SELECT coalesce(json_agg(json_build_object('rate', x.rate::text, 'gross_minor', x.gross_minor,
            'tax_minor', x.tax_minor) ORDER BY x.rate DESC), '[]')
            FROM order_return_tax x WHERE x.return_id = r.id) AS taxes,
        (SELECT coalesce(json_agg(json_build_object('method',
            CASE WHEN x.reason = 'EXCHANGED' THEN 'EXCHANGE' ELSE p.method END, 'amount_minor', x.amount_minor)
            ORDER BY x.id), '[]') FROM payment_operation x JOIN payment p ON p.id = x.payment_id
            WHERE x.return_id = r.id AND x.kind = 'REFUND' AND x.status <> 'FAILED') AS payments
    FROM order_return r JOIN orders o ON o.id = r.order_id JOIN channel h ON h.id = o.channel_id
    JOIN location l ON l.id = r.location_id LEFT JOIN orders n ON n.id = r.exchange_order_id
    WHERE r.id = :return_id AND {_ORDER_VISIBLE}
""")


async def order_by_id(session: Session, order_id: UUID, *, actor: Actor) -> OrderRecord | None:
    """Return an order."""
    row = await session.fetchrow(
        _ORDER_BY_ID, order_id=order_id, actor_customer_id=actor.customer_id, actor_works_here=actor.works_here
    )
    return msgspec.convert(dict(row), OrderRecord) if row else None


async def order_by_cart(session: Session, cart_id: UUID, *, actor: Actor) -> OrderRecord | None:
    """Return the order that a cart became, for actors that may see the cart: a guest knows the cart's id."""
    row = await session.fetchrow(
        _ORDER_BY_CART, cart_id=cart_id, actor_customer_id=actor.customer_id, actor_works_here=actor.works_here
    )
    return msgspec.convert(dict(row), OrderRecord) if row else None


async def return_by_id(session: Session, return_id: UUID, *, actor: Actor) -> ReturnRecord | None:
    """Return a return whose order is known."""
    row = await session.fetchrow(
        _RETURN_BY_ID, return_id=return_id, actor_customer_id=actor.customer_id, actor_works_here=actor.works_here
    )
    return msgspec.convert(dict(row), ReturnRecord) if row else None
