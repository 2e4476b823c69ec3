"""Invariants of totals, payments, coupons, gift cards and points."""

from __future__ import annotations

from uriba.db.statements import statement
from uriba.invariants.invariant import Invariant

_LEDGER_PAYMENTS = """
    SELECT order_id, 'GIFT_CARD' AS method, -sum(amount_minor) AS taken FROM gift_card_entry
    WHERE kind IN ('REDEEM', 'GIVE_BACK') GROUP BY 1
    UNION ALL SELECT order_id, 'POINTS', -sum(amount_minor) FROM points_entry
    WHERE kind IN ('REDEEM', 'GIVE_BACK') GROUP BY 1
"""
_PAID_FROM_LEDGER = r"""(p.method = 'GIFT_CARD' AND p.reference ~ '^\*{4}[0-9A-Z]{4} [0-9a-f-]{36}$'
    OR p.method = 'POINTS' AND p.reference ~ '^[0-9]+ points$')"""
"""Payments from the hub's own ledgers. A till may report a gift card that only the till knows."""

INVARIANTS = (
    Invariant(
        7,
        "an order's total equals its lines, shipping and tax",
        statement("""
        SELECT o.id FROM orders o
        LEFT JOIN (SELECT order_id, sum(unit_minor * quantity) AS lines, sum(discount_minor) AS discounts
            FROM order_line GROUP BY 1) l ON l.order_id = o.id
        LEFT JOIN (SELECT order_id, sum(tax_minor) AS tax, sum(taxable_minor + tax_minor) AS gross
            FROM order_tax_line GROUP BY 1) t ON t.order_id = o.id
        WHERE o.subtotal_minor <> coalesce(l.lines, 0) OR o.discount_minor <> coalesce(l.discounts, 0)
            OR o.tax_minor <> coalesce(t.tax, 0) OR o.total_minor <> coalesce(t.gross, 0)
        """),
    ),
    Invariant(
        8,
        "captured less refunded is between 0 and the order's total",
        statement("""
        SELECT o.id, o.total_minor, p.captured, p.refunded FROM orders o LEFT JOIN (
            SELECT order_id, sum(captured_minor) AS captured, sum(refunded_minor) AS refunded,
                sum(voided_minor) AS voided
            FROM payment GROUP BY 1
        ) p ON p.order_id = o.id
        WHERE coalesce(p.captured - p.refunded, 0) NOT BETWEEN 0 AND o.total_minor
            OR coalesce(p.refunded, 0) <> o.refunded_minor
            OR o.payment_status <> 'AUTHORIZED' AND coalesce(p.captured + p.voided, 0) <> o.total_minor
            OR o.payment_status = 'PAID' AND coalesce(p.refunded, 0) > 0
        """),
    ),
    Invariant(
        8,
        "a payment's refunded and captured amounts equal its operations",
        statement("""
        SELECT p.id, p.refunded_minor, p.captured_minor, m.refunds, m.captures FROM payment p LEFT JOIN (
            SELECT payment_id, sum(amount_minor) FILTER (WHERE kind = 'REFUND') AS refunds,
                sum(amount_minor) FILTER (WHERE kind = 'CAPTURE') AS captures
            FROM payment_operation WHERE status <> 'FAILED' GROUP BY 1
        ) m ON m.payment_id = p.id
        WHERE p.refunded_minor <> coalesce(m.refunds, 0) OR m.captures <> p.captured_minor
        """),
    ),
    Invariant(
        8,
        "a line's returned units equal the units of its returns",
        statement("""
        SELECT l.id, l.returned_quantity, r.units FROM order_line l LEFT JOIN (
            SELECT order_line_id, sum(quantity) AS units FROM order_return_line
            WHERE order_line_id IS NOT NULL GROUP BY 1
        ) r ON r.order_line_id = l.id WHERE l.returned_quantity <> coalesce(r.units, 0)
        """),
    ),
    Invariant(
        8,
        "a coupon's uses equal its redemptions and are within its limit",
        statement("""
        SELECT c.code, c.used, c.usage_limit, r.times FROM coupon c LEFT JOIN (
            SELECT coupon_id, count(*) AS times FROM coupon_redemption WHERE reversed_at IS NULL GROUP BY 1
        ) r ON r.coupon_id = c.id WHERE c.used <> coalesce(r.times, 0) OR c.used > c.usage_limit
        """),
    ),
    Invariant(
        8,
        "an order's discount equals the sum of its promotions",
        statement("""
        SELECT o.id, o.discount_minor, p.amount FROM orders o JOIN (
            SELECT order_id, sum(amount_minor) AS amount FROM order_promotion GROUP BY 1
        ) p ON p.order_id = o.id WHERE o.discount_minor <> p.amount
        """),
    ),
    Invariant(
        8,
        "a gift card's balance is the sum of its entries",
        statement("""
        SELECT g.id, g.balance_minor, e.amount FROM gift_card g LEFT JOIN (
            SELECT card_id, sum(amount_minor) AS amount FROM gift_card_entry GROUP BY 1
        ) e ON e.card_id = g.id WHERE g.balance_minor <> coalesce(e.amount, 0) OR g.balance_minor < 0
        """),
    ),
    Invariant(
        8,
        "a customer's points are the sum of their entries",
        statement("""
        SELECT a.customer_id, a.balance, a.owed, e.points FROM points_account a FULL JOIN (
            SELECT customer_id, sum(points) AS points FROM points_entry GROUP BY 1
        ) e USING (customer_id)
        WHERE coalesce(a.balance - a.owed, 0) <> coalesce(e.points, 0) OR a.balance < 0 OR a.owed < 0
        """),
    ),
    Invariant(
        8,
        "an order's gift card and points payments equal the ledgers' entries",
        statement(rf"""
        SELECT order_id, method, l.taken, p.paid FROM ({_LEDGER_PAYMENTS}) l FULL JOIN (
            SELECT p.order_id, p.method, sum(p.amount_minor) AS paid FROM payment p
            WHERE {_PAID_FROM_LEDGER} GROUP BY 1, 2
        ) p USING (order_id, method)
        WHERE coalesce(l.taken, 0) <> coalesce(p.paid, 0) AND NOT EXISTS (
            SELECT FROM checkout_attempt a
            WHERE a.order_id = coalesce(l.order_id, p.order_id) AND a.status IN ('PENDING', 'ENDING'))
        """),
    ),
    Invariant(
        8,
        "each refund to a gift card or to points is in its ledger once",
        statement(rf"""
        SELECT id, o.amount_minor, e.amount_minor AS ledger_minor FROM (
            SELECT o.id, o.amount_minor FROM payment_operation o JOIN payment p ON p.id = o.payment_id
            WHERE o.kind = 'REFUND' AND (o.reason = 'CANCELLED' OR o.reason = 'RETURNED' AND o.return_id IS NOT NULL)
                AND {_PAID_FROM_LEDGER}
        ) o FULL JOIN (
            SELECT operation_id AS id, amount_minor FROM gift_card_entry WHERE kind = 'REFUND'
            UNION ALL SELECT operation_id, amount_minor FROM points_entry WHERE kind = 'REFUND'
        ) e USING (id) WHERE o.amount_minor IS DISTINCT FROM e.amount_minor
        """),
    ),
)
