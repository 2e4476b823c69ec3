"""What documents are made of, each read in one statement, as of one moment. What is not the actor's does not exist."""

from __future__ import annotations

from uuid import UUID

from uriba.core.actor import Actor
from uriba.db import Row, Session

_ZONE = """
    coalesce(l.timezone, (SELECT b.timezone FROM channel_location s JOIN location b ON b.id = s.location_id
        WHERE s.channel_id = o.channel_id ORDER BY s.position LIMIT 1), 'UTC') AS timezone
"""
"""The store's zone; for an order of no store, that of the location that its channel sells from first."""

_HEAD = f"""
    o.id, o.number, o.status, o.currency, o.prices_include_tax, o.placed_at, h.name AS channel_name, h.issuer,
    l.name AS place, l.address AS place_address, l.phone AS place_phone, {_ZONE}
"""

_ORDER = f"""
    SELECT {_HEAD}, o.payment_status, o.subtotal_minor, o.discount_minor, o.shipping_minor, o.tax_minor, o.total_minor,
        o.refunded_minor, o.receipt, coalesce(o.address ->> 'name', u.name) AS recipient, e.number AS exchange,
        (SELECT coalesce(json_agg(json_build_object('name', x.name, 'sku', x.sku, 'quantity', x.quantity,
            'cancelled', x.cancelled_quantity, 'unit', x.unit_minor, 'discount', x.discount_minor,
            'total', x.total_minor, 'rate', x.tax_rate::text) ORDER BY x.position), '[]')
            FROM order_line x WHERE x.order_id = o.id) AS lines,
        (SELECT coalesce(json_agg(json_build_object('rate', x.rate::text, 'taxable', x.taxable_minor,
            'tax', x.tax_minor) ORDER BY x.rate DESC), '[]')
            FROM order_tax_line x WHERE x.order_id = o.id) AS taxes,
        (SELECT coalesce(json_agg(json_build_object('method', x.method, 'amount', x.amount_minor,
            'voided', x.voided_minor, 'tendered', x.tendered_minor,
            'reference', CASE WHEN x.key IS NULL THEN x.reference END) ORDER BY x.id), '[]')
            FROM payment x WHERE x.order_id = o.id) AS payments,
        (SELECT coalesce(json_agg(json_build_object('name', x.name, 'amount', x.amount_minor) ORDER BY x.position),
            '[]') FROM order_promotion x WHERE x.order_id = o.id) AS promotions,
        (SELECT coalesce(sum(x.points), 0)::bigint FROM points_entry x
            WHERE x.order_id = o.id AND x.kind IN ('EARN', 'REVERSE')) AS points
    FROM orders o JOIN channel h ON h.id = o.channel_id LEFT JOIN location l ON l.id = o.location_id
    LEFT JOIN customer u ON u.id = o.customer_id LEFT JOIN orders e ON e.id = o.exchange_of
"""

_RETURN = f"""
    SELECT {_HEAD}, r.id AS return_id, r.receipt, r.refund_minor, r.created_at, n.number AS exchange,
        (SELECT coalesce(json_agg(json_build_object('name', coalesce(b.name, v.name), 'sku', coalesce(b.sku, v.sku),
            'quantity', x.quantity, 'refund', x.refund_minor, 'rate', b.tax_rate::text) ORDER BY b.position, x.id),
            '[]')
            FROM order_return_line x JOIN variant v ON v.id = x.variant_id
            LEFT JOIN order_line b ON b.id = x.order_line_id WHERE x.return_id = r.id) AS lines,
        (SELECT coalesce(json_agg(json_build_object('rate', x.rate::text, 'gross', x.gross_minor,
            'tax', x.tax_minor) ORDER BY x.rate DESC), '[]')
            FROM order_return_tax x WHERE x.return_id = r.id) AS taxes,
        (SELECT coalesce(json_agg(json_build_object('method',
            CASE WHEN x.reason = 'EXCHANGED' THEN 'EXCHANGE' ELSE p.method END, 'amount', x.amount_minor)
            ORDER BY x.id), '[]') FROM payment_operation x JOIN payment p ON p.id = x.payment_id
            WHERE x.return_id = r.id AND x.kind = 'REFUND' AND x.status <> 'FAILED') AS payments
    FROM order_return r JOIN orders o ON o.id = r.order_id JOIN channel h ON h.id = o.channel_id
    JOIN location l ON l.id = r.location_id LEFT JOIN orders n ON n.id = r.exchange_order_id
"""

_ITS_CUSTOMERS = "(o.customer_id = $2 OR $3)"
"""As everywhere: an order is its customer's, and any is the retailer's own keys'."""


async def order_by_id(session: Session, order_id: UUID, *, actor: Actor) -> Row | None:
    return await session.fetchrow(
        f"{_ORDER} WHERE o.id = $1 AND {_ITS_CUSTOMERS}", order_id, actor.customer_id, actor.works_here
    )


async def order_by_cart(session: Session, cart_id: UUID, *, actor: Actor) -> Row | None:
    """The order that a cart became. Whoever may see the cart may see its order: a guest knows the cart's id."""
    from uriba.cart.queries import VISIBLE

    mine = VISIBLE.replace(":actor_customer_id", "$2").replace(":actor_works_here", "$3")
    return await session.fetchrow(
        f"{_ORDER} JOIN cart c ON c.id = o.cart_id WHERE c.id = $1 AND {mine}",
        cart_id,
        actor.customer_id,
        actor.works_here,
    )


async def return_by_id(session: Session, return_id: UUID, *, actor: Actor) -> Row | None:
    """A return whose sale is known."""
    return await session.fetchrow(
        f"{_RETURN} WHERE r.id = $1 AND {_ITS_CUSTOMERS}", return_id, actor.customer_id, actor.works_here
    )
