"""Invariants of stock levels, the ledger, promised units and the facts of tills."""

from __future__ import annotations

from uriba.db.statements import statement
from uriba.invariants.invariant import Invariant

INVARIANTS = (
    Invariant(
        1,
        "each stock level is the sum of its movements",
        statement("""
        SELECT variant_id, location_id, l.on_hand, m.on_hand AS sum_of_movements FROM stock_level l FULL JOIN (
            SELECT variant_id, location_id, sum(on_hand_delta) AS on_hand, sum(committed_delta) AS committed,
                sum(reserved_delta) AS reserved, sum(unavailable_delta) AS unavailable, sum(incoming_delta) AS incoming
            FROM stock_movement GROUP BY 1, 2
        ) m USING (variant_id, location_id)
        WHERE (l.on_hand, l.committed, l.reserved, l.unavailable, l.incoming) IS DISTINCT FROM (
            coalesce(m.on_hand, 0), coalesce(m.committed, 0), coalesce(m.reserved, 0), coalesce(m.unavailable, 0),
            coalesce(m.incoming, 0))
        """),
    ),
    Invariant(
        1,
        "every unavailable unit has a state",
        statement("""
        SELECT variant_id, location_id, l.unavailable, u.units FROM stock_level l FULL JOIN (
            SELECT variant_id, location_id, sum(quantity) AS units, min(quantity) AS least
            FROM stock_unavailable GROUP BY 1, 2
        ) u USING (variant_id, location_id)
        WHERE coalesce(l.unavailable, 0) <> coalesce(u.units, 0) OR u.least < 0
        """),
    ),
    Invariant(
        2,
        "incoming equals the units in open transfers",
        statement("""
        SELECT variant_id, location_id, l.incoming, t.units FROM stock_level l FULL JOIN (
            SELECT c.variant_id, t.to_location_id AS location_id,
                sum(greatest(0, shipped - received - returned)) AS units
            FROM stock_transfer t JOIN stock_transfer_line c ON c.transfer_id = t.id
            WHERE t.status IN ('IN_TRANSIT', 'PARTIALLY_RECEIVED') GROUP BY 1, 2
        ) t USING (variant_id, location_id) WHERE coalesce(l.incoming, 0) <> coalesce(t.units, 0)
        """),
    ),
    Invariant(
        2,
        "committed equals the units of open fulfillments",
        statement("""
        SELECT variant_id, location_id, l.committed, p.units FROM stock_level l FULL JOIN (
            SELECT o.variant_id, f.location_id, sum(fl.quantity) AS units
            FROM fulfillment f JOIN fulfillment_line fl ON fl.fulfillment_id = f.id
            JOIN order_line o ON o.id = fl.order_line_id
            WHERE f.status IN ('ALLOCATED', 'PICKED', 'READY_FOR_PICKUP') GROUP BY 1, 2
        ) p USING (variant_id, location_id) WHERE coalesce(l.committed, 0) <> coalesce(p.units, 0)
        """),
    ),
    Invariant(
        2,
        "reserved equals the units of live holds",
        statement("""
        SELECT variant_id, location_id, l.reserved, h.units FROM stock_level l FULL JOIN (
            SELECT variant_id, location_id, sum(quantity) AS units FROM hold WHERE status = 'HELD' GROUP BY 1, 2
        ) h USING (variant_id, location_id) WHERE coalesce(l.reserved, 0) <> coalesce(h.units, 0)
        """),
    ),
    Invariant(
        2,
        "every live hold belongs to a pending payment attempt",
        statement("""
        SELECT h.id FROM hold h LEFT JOIN checkout_attempt a ON a.id = h.owner_id
        WHERE h.status = 'HELD' AND coalesce(a.status, 'none') NOT IN ('PENDING', 'ENDING')
        """),
    ),
    Invariant(
        3,
        "promised units that are not in stock are recorded as shortages",
        statement("""
        SELECT variant_id, location_id, l.shortage, s.units FROM stock_level l FULL JOIN (
            SELECT variant_id, location_id, sum(quantity - settled) AS units FROM shortage GROUP BY 1, 2
        ) s USING (variant_id, location_id)
        WHERE coalesce(l.shortage, 0) <> coalesce(s.units, 0)
            OR l.on_hand - l.unavailable - l.committed - l.reserved + l.shortage < 0
        """),
    ),
    Invariant(
        4,
        "each fact has made its movements exactly once",
        statement("""
        SELECT reference, f.movements, m.movements AS made FROM (
            SELECT 'pos:' || t.key_id || ':' || to_char(e.epoch, 'FM0000000000') || ':'
                || to_char(e.sequence, 'FM0000000000') AS reference, e.movements
            FROM pos_event e JOIN pos_terminal t ON t.id = e.terminal_id WHERE e.movements > 0
        ) f FULL JOIN (
            SELECT reference, count(*) AS movements FROM stock_movement
            WHERE reference LIKE 'pos:%' AND reference NOT LIKE 'pos:%:%:%:%' GROUP BY 1
        ) m USING (reference) WHERE f.movements IS DISTINCT FROM m.movements
        """),
    ),
    Invariant(
        4,
        "each fact is applied, or parked with a conflict",
        statement("""
        SELECT e.terminal_id, e.epoch, e.sequence, e.status FROM pos_event e JOIN pos_terminal t ON t.id = e.terminal_id
        WHERE e.status <> 'APPLIED' AND NOT EXISTS (
            SELECT FROM conflict c WHERE c.key = t.key_id || ':' || e.epoch || ':' || encode(e.digest, 'hex'))
        """),
    ),
    Invariant(
        4,
        "every acknowledged event is stored",
        statement("""
        SELECT p.terminal_id, p.epoch, upper(r.sequences) - lower(r.sequences) AS acknowledged, e.stored
        FROM pos_epoch p CROSS JOIN LATERAL unnest(p.seen) r(sequences) CROSS JOIN LATERAL (
            SELECT count(*) AS stored FROM pos_event e
            WHERE (e.terminal_id, e.epoch) = (p.terminal_id, p.epoch) AND r.sequences @> e.sequence
        ) e JOIN pos_terminal t ON t.id = p.terminal_id
        WHERE upper(r.sequences) - lower(r.sequences) > e.stored + (
            SELECT count(*) FROM conflict c WHERE c.terminal = t.key_id AND split_part(c.key, ':', 2) = p.epoch::text
                AND r.sequences @> substring(c.event::text FROM '"sequence":(-?[0-9]+)')::bigint)
        """),
    ),
    Invariant(
        5,
        "on hand equals the last count plus later movements",
        statement("""
        SELECT l.variant_id, l.location_id, l.on_hand, c.counted, s.later FROM stock_level l
        CROSS JOIN LATERAL (
            SELECT max(m.quantity) AS counted FROM stock_movement m
            WHERE (m.variant_id, m.location_id) = (l.variant_id, l.location_id) AND m.reason = 'COUNT'
                AND m.occurred_at = l.counted_at AND m.reference = l.counted_by
        ) c CROSS JOIN LATERAL (
            SELECT coalesce(sum(m.on_hand_delta), 0) AS later FROM stock_movement m
            WHERE (m.variant_id, m.location_id) = (l.variant_id, l.location_id) AND m.recorded_at >= l.counted_at
                AND (m.occurred_at, m.reference COLLATE "C") > (l.counted_at, l.counted_by)
        ) s WHERE l.counted_by <> '' AND l.on_hand IS DISTINCT FROM c.counted + s.later
        """),
    ),
)
