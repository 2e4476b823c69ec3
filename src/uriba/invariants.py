"""What must always hold, as SQL: each query returns no row. The numbers are those of the domain's list.

Run by `uriba check` and after every scenario of the tests, in one snapshot, at any time, under load.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uriba.db import Database


@dataclass(frozen=True, slots=True)
class Invariant:
    """A sentence that holds, and the query that finds where it does not."""

    number: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    """How many rows broke an invariant, some of them, and how long the look took in seconds."""

    invariant: Invariant
    rows: int
    examples: list[dict[str, Any]]
    seconds: float


INVARIANTS = (
    Invariant(
        1,
        "a level is the sum of its movements",
        """
        SELECT variant_id, location_id, l.on_hand, m.on_hand AS moved FROM stock_level l FULL JOIN (
            SELECT variant_id, location_id, sum(on_hand_delta) AS on_hand, sum(committed_delta) AS committed,
                sum(reserved_delta) AS reserved, sum(unavailable_delta) AS unavailable, sum(incoming_delta) AS incoming
            FROM stock_movement GROUP BY 1, 2
        ) m USING (variant_id, location_id)
        WHERE (l.on_hand, l.committed, l.reserved, l.unavailable, l.incoming) IS DISTINCT FROM (
            coalesce(m.on_hand, 0), coalesce(m.committed, 0), coalesce(m.reserved, 0), coalesce(m.unavailable, 0),
            coalesce(m.incoming, 0))
        """,
    ),
    Invariant(
        1,
        "unavailable units each have a state",
        """
        SELECT variant_id, location_id, l.unavailable, u.units FROM stock_level l FULL JOIN (
            SELECT variant_id, location_id, sum(quantity) AS units, min(quantity) AS least
            FROM stock_unavailable GROUP BY 1, 2
        ) u USING (variant_id, location_id)
        WHERE coalesce(l.unavailable, 0) <> coalesce(u.units, 0) OR u.least < 0
        """,
    ),
    Invariant(
        2,
        "incoming is what transfers carry",
        """
        SELECT variant_id, location_id, l.incoming, t.units FROM stock_level l FULL JOIN (
            SELECT c.variant_id, t.to_location_id AS location_id,
                sum(greatest(0, shipped - received - returned)) AS units
            FROM stock_transfer t JOIN stock_transfer_line c ON c.transfer_id = t.id
            WHERE t.status IN ('IN_TRANSIT', 'PARTIALLY_RECEIVED') GROUP BY 1, 2
        ) t USING (variant_id, location_id) WHERE coalesce(l.incoming, 0) <> coalesce(t.units, 0)
        """,
    ),
    Invariant(
        2,
        "committed is what open fulfillments promise",
        """
        SELECT variant_id, location_id, l.committed, p.units FROM stock_level l FULL JOIN (
            SELECT o.variant_id, f.location_id, sum(fl.quantity) AS units
            FROM fulfillment f JOIN fulfillment_line fl ON fl.fulfillment_id = f.id
            JOIN order_line o ON o.id = fl.order_line_id
            WHERE f.status IN ('ALLOCATED', 'PICKED', 'READY_FOR_PICKUP') GROUP BY 1, 2
        ) p USING (variant_id, location_id) WHERE coalesce(l.committed, 0) <> coalesce(p.units, 0)
        """,
    ),
    Invariant(
        2,
        "reserved is what live holds keep",
        """
        SELECT variant_id, location_id, l.reserved, h.units FROM stock_level l FULL JOIN (
            SELECT variant_id, location_id, sum(quantity) AS units FROM hold WHERE status = 'HELD' GROUP BY 1, 2
        ) h USING (variant_id, location_id) WHERE coalesce(l.reserved, 0) <> coalesce(h.units, 0)
        """,
    ),
    Invariant(
        2,
        "a live hold belongs to a payment under way",
        """
        SELECT h.id FROM hold h LEFT JOIN checkout_attempt a ON a.id = h.owner_id
        WHERE h.status = 'HELD' AND coalesce(a.status, 'none') NOT IN ('PENDING', 'ENDING')
        """,
    ),
    Invariant(
        3,
        "what is promised beyond the shelf is a recorded shortage",
        """
        SELECT variant_id, location_id, l.shortage, s.units FROM stock_level l FULL JOIN (
            SELECT variant_id, location_id, sum(quantity - settled) AS units FROM shortage GROUP BY 1, 2
        ) s USING (variant_id, location_id)
        WHERE coalesce(l.shortage, 0) <> coalesce(s.units, 0)
            OR l.on_hand - l.unavailable - l.committed - l.reserved + l.shortage < 0
        """,
    ),
    Invariant(
        4,
        "a till's fact made its movements once",
        """
        SELECT reference, f.movements, m.movements AS made FROM (
            SELECT 'pos:' || t.key_id || ':' || to_char(e.epoch, 'FM0000000000') || ':'
                || to_char(e.sequence, 'FM0000000000') AS reference, e.movements
            FROM pos_event e JOIN pos_terminal t ON t.id = e.terminal_id WHERE e.movements > 0
        ) f FULL JOIN (
            SELECT reference, count(*) AS movements FROM stock_movement
            WHERE reference LIKE 'pos:%' AND reference NOT LIKE 'pos:%:%:%:%' GROUP BY 1
        ) m USING (reference) WHERE f.movements IS DISTINCT FROM m.movements
        """,
    ),
    Invariant(
        4,
        "a till's fact is applied, or put aside where people see it",
        """
        SELECT e.terminal_id, e.epoch, e.sequence, e.status FROM pos_event e JOIN pos_terminal t ON t.id = e.terminal_id
        WHERE e.status <> 'APPLIED' AND NOT EXISTS (
            SELECT FROM conflict c WHERE c.key = t.key_id || ':' || e.epoch || ':' || encode(e.digest, 'hex'))
        """,
    ),
    Invariant(
        4,
        "what a till was told is safe is here",
        """
        SELECT p.terminal_id, p.epoch, upper(r.safe) - lower(r.safe) AS told, e.kept
        FROM pos_epoch p CROSS JOIN LATERAL unnest(p.seen) r(safe) CROSS JOIN LATERAL (
            SELECT count(*) AS kept FROM pos_event e
            WHERE (e.terminal_id, e.epoch) = (p.terminal_id, p.epoch) AND r.safe @> e.sequence
        ) e JOIN pos_terminal t ON t.id = p.terminal_id
        WHERE upper(r.safe) - lower(r.safe) > e.kept + (
            SELECT count(*) FROM conflict c WHERE c.terminal = t.key_id AND split_part(c.key, ':', 2) = p.epoch::text
                AND r.safe @> substring(c.event::text FROM '"sequence":(-?[0-9]+)')::bigint)
        """,
    ),
    Invariant(
        5,
        "on hand is the last count and what came after it",
        """
        SELECT l.variant_id, l.location_id, l.on_hand, c.counted, s.since FROM stock_level l
        CROSS JOIN LATERAL (
            SELECT max(m.quantity) AS counted FROM stock_movement m
            WHERE (m.variant_id, m.location_id) = (l.variant_id, l.location_id) AND m.reason = 'COUNT'
                AND m.occurred_at = l.counted_at AND m.reference = l.counted_by
        ) c CROSS JOIN LATERAL (
            SELECT coalesce(sum(m.on_hand_delta), 0) AS since FROM stock_movement m
            WHERE (m.variant_id, m.location_id) = (l.variant_id, l.location_id) AND m.recorded_at >= l.counted_at
                AND (m.occurred_at, m.reference COLLATE "C") > (l.counted_at, l.counted_by)
        ) s WHERE l.counted_by <> '' AND l.on_hand IS DISTINCT FROM c.counted + s.since
        """,
    ),
    Invariant(
        6,
        "a cart became an order exactly if it says so",
        """
        SELECT c.id, c.status, o.id AS order_id FROM cart c LEFT JOIN orders o ON o.cart_id = c.id
        WHERE (c.status = 'ORDERED') <> (o.id IS NOT NULL)
        """,
    ),
    Invariant(
        6,
        "a cart is closed exactly while it is being paid",
        """
        SELECT c.id, c.checkout_id, a.id AS attempt_id FROM cart c
        FULL JOIN (SELECT id, cart_id FROM checkout_attempt WHERE status IN ('PENDING', 'ENDING')) a
            ON a.cart_id = c.id
        WHERE c.checkout_id IS DISTINCT FROM a.id
        """,
    ),
    Invariant(
        6,
        "every ordered unit is in a fulfillment or cancelled",
        """
        SELECT o.id, o.quantity, o.cancelled_quantity, p.units FROM order_line o LEFT JOIN (
            SELECT fl.order_line_id, sum(fl.quantity) AS units
            FROM fulfillment_line fl JOIN fulfillment f ON f.id = fl.fulfillment_id
            WHERE f.status NOT IN ('CANCELLED', 'REJECTED') GROUP BY 1
        ) p ON p.order_line_id = o.id WHERE o.quantity <> o.cancelled_quantity + coalesce(p.units, 0)
        """,
    ),
    Invariant(
        6,
        "every line is of goods that there are, and of its own order",
        """
        SELECT l.id, l.order_id, l.variant_id FROM order_line l LEFT JOIN variant v ON v.id = l.variant_id
        WHERE v.id IS NULL
        UNION ALL
        SELECT fl.order_line_id, f.order_id, l.variant_id FROM fulfillment_line fl
        JOIN fulfillment f ON f.id = fl.fulfillment_id LEFT JOIN order_line l ON l.id = fl.order_line_id
        WHERE l.order_id IS DISTINCT FROM f.order_id
        """,
    ),
    Invariant(
        6,
        "an order is open exactly while goods are to be handed over",
        """
        SELECT o.id, o.status FROM orders o WHERE o.status <> 'CANCELLED' AND (o.status = 'OPEN') <> EXISTS (
            SELECT FROM fulfillment f WHERE f.order_id = o.id
                AND f.status NOT IN ('HANDED_OVER', 'DELIVERED', 'CANCELLED', 'REJECTED'))
        """,
    ),
    Invariant(
        7,
        "an order's total is its lines, shipping and tax",
        """
        SELECT o.id FROM orders o
        LEFT JOIN (SELECT order_id, sum(unit_minor * quantity) AS lines, sum(discount_minor) AS discounts
            FROM order_line GROUP BY 1) l ON l.order_id = o.id
        LEFT JOIN (SELECT order_id, sum(tax_minor) AS tax, sum(taxable_minor + tax_minor) AS gross
            FROM order_tax_line GROUP BY 1) t ON t.order_id = o.id
        WHERE o.subtotal_minor <> coalesce(l.lines, 0) OR o.discount_minor <> coalesce(l.discounts, 0)
            OR o.tax_minor <> coalesce(t.tax, 0) OR o.total_minor <> coalesce(t.gross, 0)
        """,
    ),
    Invariant(
        8,
        "captured less refunded is between nothing and the total",
        """
        SELECT o.id, o.total_minor, p.captured, p.refunded FROM orders o LEFT JOIN (
            SELECT order_id, sum(captured_minor) AS captured, sum(refunded_minor) AS refunded,
                sum(voided_minor) AS voided
            FROM payment GROUP BY 1
        ) p ON p.order_id = o.id
        WHERE coalesce(p.captured - p.refunded, 0) NOT BETWEEN 0 AND o.total_minor
            OR coalesce(p.refunded, 0) <> o.refunded_minor
            OR o.payment_status <> 'AUTHORIZED' AND coalesce(p.captured + p.voided, 0) <> o.total_minor
            OR o.payment_status = 'PAID' AND coalesce(p.refunded, 0) > 0
        """,
    ),
    Invariant(
        8,
        "what was given back of a payment is its refunds, and what was captured later its captures",
        """
        SELECT p.id, p.refunded_minor, p.captured_minor, m.refunds, m.captures FROM payment p LEFT JOIN (
            SELECT payment_id, sum(amount_minor) FILTER (WHERE kind = 'REFUND') AS refunds,
                sum(amount_minor) FILTER (WHERE kind = 'CAPTURE') AS captures
            FROM payment_operation WHERE status <> 'FAILED' GROUP BY 1
        ) m ON m.payment_id = p.id
        WHERE p.refunded_minor <> coalesce(m.refunds, 0) OR m.captures <> p.captured_minor
        """,
    ),
    Invariant(
        8,
        "units of a line that came back are those of its returns",
        """
        SELECT l.id, l.returned_quantity, r.units FROM order_line l LEFT JOIN (
            SELECT order_line_id, sum(quantity) AS units FROM order_return_line
            WHERE order_line_id IS NOT NULL GROUP BY 1
        ) r ON r.order_line_id = l.id WHERE l.returned_quantity <> coalesce(r.units, 0)
        """,
    ),
    Invariant(
        8,
        "a coupon was used as often as orders say, and no more than it may be",
        """
        SELECT c.code, c.used, c.usage_limit, r.times FROM coupon c LEFT JOIN (
            SELECT coupon_id, count(*) AS times FROM coupon_redemption WHERE reversed_at IS NULL GROUP BY 1
        ) r ON r.coupon_id = c.id WHERE c.used <> coalesce(r.times, 0) OR c.used > c.usage_limit
        """,
    ),
    Invariant(
        8,
        "what promotions took off an order is its discount",
        """
        SELECT o.id, o.discount_minor, p.amount FROM orders o JOIN (
            SELECT order_id, sum(amount_minor) AS amount FROM order_promotion GROUP BY 1
        ) p ON p.order_id = o.id WHERE o.discount_minor <> p.amount
        """,
    ),
    Invariant(
        8,
        "a gift card's balance is its entries",
        """
        SELECT g.id, g.balance_minor, e.amount FROM gift_card g LEFT JOIN (
            SELECT card_id, sum(amount_minor) AS amount FROM gift_card_entry GROUP BY 1
        ) e ON e.card_id = g.id WHERE g.balance_minor <> coalesce(e.amount, 0) OR g.balance_minor < 0
        """,
    ),
    Invariant(
        8,
        "a customer's points are their entries",
        """
        SELECT a.customer_id, a.balance, a.owed, e.points FROM points_account a FULL JOIN (
            SELECT customer_id, sum(points) AS points FROM points_entry GROUP BY 1
        ) e USING (customer_id)
        WHERE coalesce(a.balance - a.owed, 0) <> coalesce(e.points, 0) OR a.balance < 0 OR a.owed < 0
        """,
    ),
    Invariant(
        9,
        "each subject's events are numbered 1, 2, 3 …",
        """
        SELECT subject, count(*), min(version), max(version) FROM outbox_event
        GROUP BY subject HAVING count(*) <> max(version) OR min(version) <> 1
        """,
    ),
    Invariant(
        9,
        "each subject's last event is its newest change",
        """
        SELECT subject, s.version, e.version AS told FROM (
            SELECT 'StockLevel:' || variant_id || ':' || location_id AS subject, version FROM stock_level
            UNION ALL SELECT 'Cart:' || id, events FROM cart
            UNION ALL SELECT 'Order:' || id, version FROM orders
            UNION ALL SELECT 'Variant:' || id, events FROM variant
            UNION ALL SELECT 'Terminal:' || key_id, version FROM pos_terminal
        ) s FULL JOIN (SELECT subject, max(version) AS version FROM outbox_event GROUP BY 1) e USING (subject)
        WHERE coalesce(s.version, 0) <> coalesce(e.version, 0)
        """,
    ),
    Invariant(
        9,
        "the feed has no gap",
        """
        SELECT f.position, e.last, e.events FROM feed f
        CROSS JOIN (SELECT coalesce(max(position), 0) AS last, count(position) AS events FROM outbox_event) e
        WHERE f.position <> e.last OR e.last <> e.events
        """,
    ),
    Invariant(
        9,
        "an order's timeline is its events",
        """
        SELECT o.id, o.version, t.lines FROM orders o
        LEFT JOIN (SELECT order_id, count(*) AS lines FROM order_event GROUP BY 1) t ON t.order_id = o.id
        WHERE o.version <> coalesce(t.lines, 0)
        """,
    ),
    Invariant(
        10,
        "a terminal moves the stock of its own location only",
        """
        SELECT m.id, m.actor, m.location_id FROM stock_movement m
        JOIN access_key k ON m.actor = 'terminal:' || k.id
        WHERE m.on_hand_delta <> 0 AND m.location_id <> k.location_id
        """,
    ),
    Invariant(
        10,
        "an order belongs to the customer of its cart",
        """
        SELECT o.id FROM orders o JOIN cart c ON c.id = o.cart_id WHERE o.customer_id IS DISTINCT FROM c.customer_id
        """,
    ),
)

EXAMPLES = 5


async def check(database: Database, *, on_each: Callable[[Finding], None] = lambda _: None) -> list[Finding]:
    """Look for rows that break an invariant, all in one snapshot."""
    findings = []
    async with database.reading() as session:
        await session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0")
        try:
            for invariant in INVARIANTS:
                began = time.perf_counter()
                rows = await session.fetch(invariant.sql)
                examples = [dict(row) for row in rows[:EXAMPLES]]
                findings.append(Finding(invariant, len(rows), examples, time.perf_counter() - began))
                on_each(findings[-1])
        finally:
            await session.run("ROLLBACK")
    return findings
