"""Invariants of events, deliveries and connectors, and of who may own or change a row."""

from __future__ import annotations

from uriba.db.statements import statement
from uriba.invariants.invariant import Invariant

INVARIANTS = (
    Invariant(
        9,
        "each subject's events are numbered 1, 2, 3 …",
        statement("""
        SELECT subject, count(*), min(version), max(version) FROM outbox_event
        GROUP BY subject HAVING count(*) <> max(version) - min(version) + 1
            OR min(version) <> 1 AND (SELECT forgotten = 0 FROM feed)
        """),
    ),
    Invariant(
        9,
        "each subject's latest event has the subject's version",
        statement("""
        SELECT subject, s.version, e.version AS latest_event FROM (
            SELECT 'StockLevel:' || variant_id || ':' || location_id AS subject, version FROM stock_level
            UNION ALL SELECT 'Cart:' || id, events FROM cart
            UNION ALL SELECT 'Order:' || id, version FROM orders
            UNION ALL SELECT 'Variant:' || id, events FROM variant
            UNION ALL SELECT 'Terminal:' || key_id, version FROM pos_terminal
            UNION ALL SELECT 'Endpoint:' || id, events FROM endpoint
            UNION ALL SELECT 'Alert:' || id, events FROM alert
        ) s FULL JOIN (SELECT subject, max(version) AS version FROM outbox_event GROUP BY 1) e USING (subject)
        WHERE coalesce(s.version, 0) <> coalesce(e.version, 0)
            AND (e.version IS NOT NULL OR (SELECT forgotten = 0 FROM feed))
        """),
    ),
    Invariant(
        9,
        "the feed has no gaps",
        statement("""
        SELECT f.position, f.forgotten, e.last, e.events FROM feed f
        CROSS JOIN (SELECT coalesce(max(position), 0) AS last, count(position) AS events FROM outbox_event) e
        WHERE f.position <> e.last OR e.last - f.forgotten <> e.events
        """),
    ),
    Invariant(
        9,
        "an order's timeline has a line for each of its versions",
        statement("""
        SELECT o.id, o.version, t.lines FROM orders o
        LEFT JOIN (SELECT order_id, count(*) AS lines FROM order_event GROUP BY 1) t ON t.order_id = o.id
        WHERE o.version <> coalesce(t.lines, 0)
        """),
    ),
    Invariant(
        9,
        "an endpoint has no deliveries beyond its position in the feed",
        statement("""
        SELECT d.id, d.endpoint_id, d.position, p.position AS endpoint_position FROM delivery d
        JOIN endpoint p ON p.id = d.endpoint_id CROSS JOIN feed f
        WHERE d.position > f.position OR d.status = 'PENDING' AND d.position > p.position AND p.deleted_at IS NULL
        """),
    ),
    Invariant(
        9,
        "each order placed by a connector is in its channel and has one order number",
        statement("""
        SELECT c.connector_id, c.number FROM connector_order c JOIN connector k ON k.id = c.connector_id
        LEFT JOIN orders o ON o.cart_id = c.cart_id
        WHERE c.status = 'PLACED' AND (o.id IS NULL OR o.channel_id <> k.channel_id)
        UNION ALL SELECT min(connector_id::text)::uuid, min(number) FROM connector_order
        WHERE cart_id IS NOT NULL GROUP BY cart_id HAVING count(*) > 1
        """),
    ),
    Invariant(
        10,
        "terminals change the stock of their own location only",
        statement("""
        SELECT m.id, m.actor, m.location_id FROM stock_movement m
        JOIN access_key k ON m.actor = 'terminal:' || k.id
        WHERE m.on_hand_delta <> 0 AND m.location_id <> k.location_id
        """),
    ),
    Invariant(
        10,
        "an order belongs to the customer of its cart",
        statement("""
        SELECT o.id FROM orders o JOIN cart c ON c.id = o.cart_id WHERE o.customer_id IS DISTINCT FROM c.customer_id
        """),
    ),
)
