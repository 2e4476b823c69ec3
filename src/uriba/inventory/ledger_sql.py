"""The ledger's SQL: one statement locks levels, checks them, changes them, writes movements and emits the events.

Both statements, for movements (`POST`) and for facts of tills (`POST_FACTS`), have the same four steps: read the input,
lock the levels (`_LOCKED_LEVELS`), compute what each level will be (`target_level`) and its movements
(`movement_line`), write all of it (`_WRITE`).
"""

from __future__ import annotations

from uriba.conflicts.conflicts import OPEN_SHORTAGE_CONFLICTS, RESOLVE_SHORTAGE_CONFLICTS
from uriba.db.session import PreparedStatement
from uriba.db.statements import statement
from uriba.inventory.queries import AVAILABLE
from uriba.outbox.event import INSERT_EVENTS

# A lateral lookup locks one row after the other in key order; a join could read the whole table. `changed` updates only
# rows that `level` has locked. It sets absolute numbers made from the locked row, because under READ COMMITTED an
# UPDATE checks the table's constraints on the snapshot's row before it finds the newest one.
_LOCKED_LEVELS = """
    level AS (
        SELECT l.*, l.on_hand - l.unavailable - l.committed - l.reserved AS free
        FROM (SELECT DISTINCT variant_id, location_id FROM {keys} ORDER BY variant_id, location_id) c
        CROSS JOIN LATERAL (
            SELECT * FROM stock_level s
            WHERE (s.variant_id, s.location_id) = (c.variant_id, c.location_id) FOR UPDATE
        ) l
    ), now AS MATERIALIZED (
        SELECT greatest(clock_timestamp(), max(updated_at) + interval '1 microsecond') AS moment FROM level
    )
"""

# Writes `target_level` and `movement_line`, which are empty where the ledger refuses. `now` is the moment at which all
# locks are held, so the moments of a level's changes are in the order of the changes, and no two are equal, even where
# the clock is set back. There are few joins, because PostgreSQL expects one row of each CTE and plans nested loops.
_WRITE = f"""
    target AS (
        SELECT *, greatest(0, committed + reserved + unavailable - on_hand) AS shortage FROM target_level
    ), changed AS (
        UPDATE stock_level l SET on_hand = t.on_hand, committed = t.committed, reserved = t.reserved,
            unavailable = t.unavailable, incoming = t.incoming, safety_stock = t.safety_stock, shortage = t.shortage,
            counted_at = coalesce(t.counts_at, l.counted_at), counted_by = coalesce(t.counts_by, l.counted_by),
            version = t.version_before + CASE WHEN t.shortage <> t.shortage_before THEN 2 ELSE 1 END,
            updated_at = t.moment
        FROM target t WHERE (l.variant_id, l.location_id) = (t.variant_id, t.location_id)
        RETURNING l.*, t.shortage_before, least(t.shortage_before, t.promised_before) AS promised_short_before,
            t.because
    ), moved AS (
        INSERT INTO stock_movement (variant_id, location_id, reason, quantity, on_hand_delta, committed_delta,
            reserved_delta, unavailable_delta, incoming_delta, state, reference, actor, occurred_at, recorded_at)
        SELECT m.variant_id, m.location_id, m.reason, m.quantity, m.on_hand, m.committed, m.reserved, m.unavailable,
            m.incoming, m.state, m.reference, :actor, coalesce(m.occurred_at, now.moment), now.moment
        FROM movement_line m CROSS JOIN now
    ), put AS (
        INSERT INTO stock_unavailable AS u (variant_id, location_id, state, quantity)
        SELECT variant_id, location_id, state, sum(unavailable) FROM movement_line
        WHERE state IS NOT NULL GROUP BY 1, 2, 3
        ON CONFLICT (variant_id, location_id, state) DO UPDATE SET quantity = u.quantity + excluded.quantity
    ), opened AS (
        INSERT INTO shortage (variant_id, location_id, quantity, reference)
        SELECT variant_id, location_id, shortage - shortage_before, because FROM changed
        WHERE shortage > shortage_before RETURNING *
    ), conflict_opened AS (
        {OPEN_SHORTAGE_CONFLICTS.format(shortages="opened")}
    ), emitted AS (
        {INSERT_EVENTS}
        SELECT e.type, 'StockLevel:' || c.variant_id || ':' || c.location_id, e.version, jsonb_build_object(
            'onHand', c.on_hand, 'committed', c.committed, 'reserved', c.reserved, 'unavailable', c.unavailable,
            'incoming', c.incoming, 'safetyStock', c.safety_stock, 'shortage', c.shortage)
        FROM changed c CROSS JOIN LATERAL (
            SELECT 'stock.changed' AS type, c.version - (c.shortage <> c.shortage_before)::int AS version
            UNION ALL
            SELECT CASE WHEN c.shortage > c.shortage_before THEN 'shortage.opened' ELSE 'shortage.settled' END,
                c.version
            WHERE c.shortage <> c.shortage_before
        ) AS e
    )
"""

_CHANGE = f"""
    WITH movement AS MATERIALIZED (
        SELECT * FROM json_to_recordset(:movements::json) AS m(
            variant_id bigint, location_id bigint, reason text, quantity bigint, on_hand bigint, committed bigint,
            reserved bigint, unavailable bigint, incoming bigint, state text, need bigint, till_need bigint,
            floor boolean, counted bigint, expected bigint, safety_stock bigint)
    ), change AS (
        SELECT variant_id, location_id, sum(on_hand) AS on_hand, sum(committed) AS committed,
            sum(reserved) AS reserved, sum(unavailable) AS unavailable, sum(incoming) AS incoming, sum(need) AS need,
            sum(till_need) AS till_need, bool_or(floor) AS floor, max(counted) AS counted,
            max(expected) AS expected, max(safety_stock) AS safety_stock
        FROM movement GROUP BY variant_id, location_id
    ), {_LOCKED_LEVELS.format(keys="change")}, refused AS (
        SELECT c.variant_id, c.location_id, CASE
            WHEN c.need + c.till_need > 0 AND (
                c.need + c.till_need > coalesce(l.free, 0)
                OR c.need > 0 AND c.need > coalesce(l.free - l.safety_stock, 0)) THEN 'SHORT'
            WHEN c.floor AND coalesce(c.counted, l.on_hand) + c.on_hand < 0 THEN 'FLOOR'
            WHEN l.on_hand <> c.expected THEN 'EXPECTED'
            WHEN l.variant_id IS NULL THEN 'ABSENT'
            END AS why,
            CASE WHEN c.expected IS NOT NULL OR c.floor THEN l.on_hand
                WHEN c.need > 0 THEN greatest(0, l.free - l.safety_stock) ELSE greatest(0, l.free) END AS available
        FROM change c LEFT JOIN level l USING (variant_id, location_id)
    ), verdict AS MATERIALIZED (
        SELECT count(why) = 0 AS accepted FROM refused
    ), target_level AS MATERIALIZED (
        SELECT l.variant_id, l.location_id, l.on_hand AS on_hand_before, l.shortage AS shortage_before,
            l.committed + l.reserved AS promised_before, l.version AS version_before,
            coalesce(c.counted, l.on_hand) + c.on_hand AS on_hand,
            l.committed + c.committed AS committed, l.reserved + c.reserved AS reserved,
            l.unavailable + c.unavailable AS unavailable, l.incoming + c.incoming AS incoming,
            coalesce(c.safety_stock, l.safety_stock) AS safety_stock,
            CASE WHEN c.counted IS NOT NULL THEN n.moment END AS counts_at,
            CASE WHEN c.counted IS NOT NULL THEN :reference END AS counts_by, :reference AS because, n.moment
        FROM level l JOIN change c USING (variant_id, location_id) CROSS JOIN verdict CROSS JOIN now n
        WHERE verdict.accepted
    ), movement_line AS (
        SELECT m.variant_id, m.location_id, m.reason, m.quantity,
            coalesce(m.counted - a.on_hand_before, 0) + m.on_hand AS on_hand, m.committed, m.reserved, m.unavailable,
            m.incoming, m.state, :reference AS reference, :occurred_at::timestamptz AS occurred_at
        FROM movement m JOIN target_level a USING (variant_id, location_id)
    ), {_WRITE}
"""

_CHANGED_LEVEL = f"""
    variant_id, location_id, on_hand, committed, reserved, unavailable, safety_stock, incoming, shortage,
    shortage_before, greatest(0, least(shortage, committed + reserved) - promised_short_before) AS broken,
    version, updated_at, {AVAILABLE} AS available
"""
"""A level `l` after a change. `broken`: promised units that the change made impossible."""

# Of each level, the first row of `w` is the newest count among the facts, if it is newer than the level's last count
# (`recounted`). A fact changes on hand only if it occurred after the newer of the two. A new last count sets on hand to
# what was counted plus what was added since; the index is by recording time, which is never before occurring time.
POST_FACTS = statement(f"""
    WITH fact AS MATERIALIZED (
        SELECT * FROM unnest(:variant_ids::bigint[], :location_ids::bigint[], :reasons::text[], :quantities::bigint[],
            :on_hand::bigint[], :unavailable::bigint[], :counted::bigint[], :states::text[],
            :occurred_at::timestamptz[], :references::text[]) WITH ORDINALITY AS f(variant_id, location_id, reason,
            quantity, on_hand, unavailable, counted, state, occurred_at, reference, n)
    ), {_LOCKED_LEVELS.format(keys="fact")}, seen AS (
        SELECT f.*, l.on_hand AS was_on_hand, l.committed, l.reserved, l.unavailable AS was_unavailable, l.incoming,
            l.safety_stock, l.shortage, l.version, l.counted_at, l.counted_by, f.counted IS NOT NULL AND (
                l.counted_at IS NULL OR (f.occurred_at, f.reference COLLATE "C") > (l.counted_at, l.counted_by)
            ) AS recounts
        FROM fact f JOIN level l USING (variant_id, location_id)
    ), ranked AS (
        SELECT *, first_value(recounts) OVER w AS recounted, first_value(n) OVER w AS last_n,
            first_value(occurred_at) OVER w AS last_at, first_value(reference) OVER w AS last_by
        FROM seen WINDOW w AS (PARTITION BY variant_id, location_id
            ORDER BY recounts DESC, occurred_at DESC, reference COLLATE "C" DESC)
    ), fact_line AS MATERIALIZED (
        SELECT f.*, CASE
                WHEN recounted AND n = last_n THEN counted - was_on_hand + coalesce((
                    SELECT sum(m.on_hand_delta) FROM stock_movement m
                    WHERE (m.variant_id, m.location_id) = (f.variant_id, f.location_id)
                        AND m.recorded_at >= f.occurred_at
                        AND (m.occurred_at, m.reference COLLATE "C") > (f.occurred_at, f.reference)
                ), 0)
                WHEN counted IS NOT NULL THEN 0
                WHEN recounted THEN
                    CASE WHEN (occurred_at, reference COLLATE "C") > (last_at, last_by) THEN on_hand ELSE 0 END
                WHEN counted_at IS NULL OR (occurred_at, reference COLLATE "C") > (counted_at, counted_by) THEN on_hand
                ELSE 0
            END AS moved
        FROM ranked f
    ), movement_line AS (
        SELECT variant_id, location_id, reason, quantity, moved AS on_hand, 0 AS committed, 0 AS reserved, unavailable,
            0 AS incoming, state, reference, occurred_at
        FROM fact_line
    ), target_level AS MATERIALIZED (
        SELECT variant_id, location_id, shortage AS shortage_before, committed + reserved AS promised_before,
            version AS version_before, was_on_hand + sum(moved) AS on_hand, committed, reserved,
            was_unavailable + sum(unavailable) AS unavailable, incoming, safety_stock,
            max(last_at) FILTER (WHERE recounted) AS counts_at, max(last_by) FILTER (WHERE recounted) AS counts_by,
            max(reference) AS because, now.moment
        FROM fact_line CROSS JOIN now
        GROUP BY variant_id, location_id, shortage, committed, reserved, version, was_on_hand, was_unavailable,
            incoming, safety_stock, now.moment
    ), {_WRITE}
    SELECT {_CHANGED_LEVEL} FROM changed l ORDER BY variant_id, location_id
""")

POST = statement(f"""{_CHANGE}
    SELECT NULL AS why, {_CHANGED_LEVEL} FROM changed l
    UNION ALL
    SELECT why, variant_id, location_id, available, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM refused WHERE why IS NOT NULL
    ORDER BY variant_id, location_id
""")

SETTLE_SHORTAGES = statement(f"""
    WITH level AS (
        SELECT l.variant_id, l.location_id, l.shortage FROM stock_level l
        JOIN unnest(:variant_ids::bigint[], :location_ids::bigint[]) AS p(variant_id, location_id)
            USING (variant_id, location_id)
    ), waiting AS (
        SELECT s.id, s.quantity, l.shortage AS left_open,
            sum(s.quantity - s.settled) OVER (PARTITION BY s.variant_id, s.location_id ORDER BY s.id DESC)
                AS newer_open,
            s.quantity - s.settled AS open
        FROM shortage s JOIN level l USING (variant_id, location_id) WHERE s.settled < s.quantity
    ), due AS (
        -- The oldest units are settled first; the newest stay open.
        SELECT id, quantity - greatest(0, least(open, left_open - (newer_open - open))) AS settled FROM waiting
    ), settled AS (
        UPDATE shortage s SET settled = due.settled,
            settled_at = CASE WHEN due.settled = s.quantity THEN now() ELSE s.settled_at END
        FROM due WHERE s.id = due.id AND due.settled <> s.settled RETURNING s.id, due.settled = s.quantity AS whole
    ), settled_whole AS (
        SELECT id FROM settled WHERE whole
    )
    {RESOLVE_SHORTAGE_CONFLICTS.format(shortages="settled_whole")}
""")

REFUSED = "UR001"
"""The SQLSTATE of `refuse_stock`, whose detail is the refusals as JSON."""

SET_POST_PARAMETERS = statement("""
    SELECT set_config('uriba.movements', :movements, true), set_config('uriba.reference', :reference, true),
        set_config('uriba.actor', :actor, true)
""")
"""A prepared statement that is run together with COMMIT can have no parameters: it reads them from these settings."""

_POST_PARAMETERS = {
    ":movements": "current_setting('uriba.movements')",
    ":reference": "current_setting('uriba.reference')",
    ":actor": "current_setting('uriba.actor')",
    ":occurred_at": "NULL",
}

_POST_AND_COMMIT = f"""{_CHANGE}
    SELECT refuse_stock(json_agg(json_build_object('variant_id', variant_id, 'location_id', location_id, 'why', why,
        'available', coalesce(available, 0)))) FROM refused WHERE why IS NOT NULL HAVING count(*) > 0
"""

POST_AND_COMMIT = PreparedStatement("uriba_post", statement(_POST_AND_COMMIT).with_constants(_POST_PARAMETERS))
