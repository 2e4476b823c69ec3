"""Invariants of carts, orders and their fulfillments."""

from __future__ import annotations

from uriba.db.statements import statement
from uriba.invariants.invariant import Invariant

INVARIANTS = (
    Invariant(
        6,
        "a cart is ORDERED if and only if it has an order",
        statement("""
        SELECT c.id, c.status, o.id AS order_id FROM cart c LEFT JOIN orders o ON o.cart_id = c.id
        WHERE (c.status = 'ORDERED') <> (o.id IS NOT NULL)
        """),
    ),
    Invariant(
        6,
        "a cart is locked if and only if its payment attempt is pending",
        statement("""
        SELECT c.id, c.checkout_id, a.id AS attempt_id FROM cart c
        FULL JOIN (SELECT id, cart_id FROM checkout_attempt WHERE status IN ('PENDING', 'ENDING')) a
            ON a.cart_id = c.id
        WHERE c.checkout_id IS DISTINCT FROM a.id
        """),
    ),
    Invariant(
        6,
        "every ordered unit is in a fulfillment or cancelled",
        statement("""
        SELECT o.id, o.quantity, o.cancelled_quantity, p.units FROM order_line o LEFT JOIN (
            SELECT fl.order_line_id, sum(fl.quantity) AS units
            FROM fulfillment_line fl JOIN fulfillment f ON f.id = fl.fulfillment_id
            WHERE f.status NOT IN ('CANCELLED', 'REJECTED') GROUP BY 1
        ) p ON p.order_line_id = o.id WHERE o.quantity <> o.cancelled_quantity + coalesce(p.units, 0)
        """),
    ),
    Invariant(
        6,
        "every line has an existing variant and belongs to its fulfillment's order",
        statement("""
        SELECT l.id, l.order_id, l.variant_id FROM order_line l LEFT JOIN variant v ON v.id = l.variant_id
        WHERE v.id IS NULL
        UNION ALL
        SELECT fl.order_line_id, f.order_id, l.variant_id FROM fulfillment_line fl
        JOIN fulfillment f ON f.id = fl.fulfillment_id LEFT JOIN order_line l ON l.id = fl.order_line_id
        WHERE l.order_id IS DISTINCT FROM f.order_id
        """),
    ),
    Invariant(
        6,
        "an order is open if and only if it has an open fulfillment",
        statement("""
        SELECT o.id, o.status FROM orders o WHERE o.status <> 'CANCELLED' AND (o.status = 'OPEN') <> EXISTS (
            SELECT FROM fulfillment f WHERE f.order_id = o.id
                AND f.status NOT IN ('HANDED_OVER', 'DELIVERED', 'CANCELLED', 'REJECTED'))
        """),
    ),
    Invariant(
        6,
        "every coupon redemption belongs to an order or a pending payment attempt",
        statement("""
        SELECT r.id FROM coupon_redemption r LEFT JOIN orders o ON o.id = r.order_id
        LEFT JOIN checkout_attempt a ON a.order_id = r.order_id AND a.status IN ('PENDING', 'ENDING')
        WHERE r.reversed_at IS NULL AND o.id IS NULL AND a.id IS NULL
        """),
    ),
)
