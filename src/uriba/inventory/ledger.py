"""The ledger: the one module that changes stock.

`post` is one statement. It locks the levels in (variant, location) order, checks every condition on what it locked,
changes all levels or none, writes the movements and the events. Nothing reads first and writes later; whoever
comes second waits for the row and sees the newest numbers. Call it last in a transaction: its locks then live only
until the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from uriba.db import Row, Session
from uriba.db.session import Prepared
from uriba.inventory.errors import LedgerRefused, Refusal
from uriba.inventory.models import StockReason
from uriba.outbox import event


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one level, in units.

    need: so many must be available, safety stock kept back; shelf_need: the same with the safety stock (the location's
    own till). floor: on hand may not fall below zero. counted: sets on hand, a count as of now; with `expected` only
    where on hand is that number. Several movements of one level are added up before anything is checked.
    """

    variant_id: int
    location_id: int
    reason: StockReason
    quantity: int
    on_hand: int = 0
    committed: int = 0
    reserved: int = 0
    unavailable: int = 0
    need: int = 0
    shelf_need: int = 0
    floor: bool = False
    counted: int | None = None
    expected: int | None = None
    safety_stock: int | None = None


async def post(
    session: Session,
    movements: Sequence[Movement],
    *,
    reference: str,
    actor: str,
    occurred_at: datetime | None = None,
) -> list[Row]:
    """Post movements, all or none; the levels as they are now, in (variant, location) order.

    Errors: `LedgerRefused`, with every level that did not allow it.
    """
    rows = await session.fetch(_POST, msgspec.json.encode(movements).decode(), reference, actor, occurred_at)
    refused = [row for row in rows if row["why"] is not None]
    if refused:
        raise LedgerRefused([Refusal(r["variant_id"], r["location_id"], r["why"], r["on_hand"]) for r in refused])
    if any(row["shortage"] < row["shortage_before"] for row in rows):
        await session.run(_SETTLE, [r["variant_id"] for r in rows], [r["location_id"] for r in rows])
    return rows


async def post_last(session: Session, movements: Sequence[Movement], *, reference: str, actor: str) -> None:
    """Post movements that lessen no shortage and commit, as the last act of a transaction; its events go before.

    The locks on the levels live within one round trip: between them and the commit nobody waits for this process. So
    one level can be sold from hundreds of times a second, however busy its sellers are.

    Errors: `LedgerRefused`; nothing of the transaction stands then.
    """
    assert not any(_may_settle(movement) for movement in movements), "whoever settles shortages uses post"
    await session.prepare(_POST_LAST)
    event.write(session)
    await session.together(_ARM, msgspec.json.encode(movements).decode(), reference, actor)
    try:
        await session.finish(_POST_LAST)
    except asyncpg.PostgresError as error:
        if error.sqlstate != REFUSED:
            raise
        refused = msgspec.json.decode(error.detail or "[]", type=list[Refusal])
        raise LedgerRefused(refused) from error


def _may_settle(movement: Movement) -> bool:
    promised = movement.committed + movement.reserved + movement.unavailable
    return movement.counted is not None or movement.on_hand > promised


async def open_levels(session: Session, pairs: Sequence[tuple[int, int]]) -> None:
    """Have a level for each (variant, location), empty where it is new."""
    await session.run(
        "INSERT INTO stock_level (variant_id, location_id) "
        "SELECT v, l FROM unnest($1::bigint[], $2::bigint[]) AS p(v, l) ORDER BY v, l ON CONFLICT DO NOTHING",
        [variant_id for variant_id, _ in pairs],
        [location_id for _, location_id in pairs],
    )


# `level` looks up one row after the other in key order and locks each as it yields it (a lateral lookup: a join would
# be free to read the whole table); `changed` can only reach a row that `level` has yielded, so locks are always taken
# in that order. Under READ COMMITTED a locked row is the newest one, but the update first finds the one of its snapshot
# and checks the table's constraints on what it would make of that, before it turns to the newest. So it sets whole
# numbers, made from the locked row, and never adds to what it finds.
_CHANGE = """
    WITH movement AS MATERIALIZED (
        SELECT * FROM json_to_recordset({movements}::json) AS m(
            variant_id bigint, location_id bigint, reason text, quantity bigint, on_hand bigint, committed bigint,
            reserved bigint, unavailable bigint, need bigint, shelf_need bigint, floor boolean, counted bigint,
            expected bigint, safety_stock bigint)
    ), change AS (
        SELECT variant_id, location_id, sum(on_hand) AS on_hand, sum(committed) AS committed,
            sum(reserved) AS reserved, sum(unavailable) AS unavailable, sum(need) AS need,
            sum(shelf_need) AS shelf_need, bool_or(floor) AS floor, max(counted) AS counted,
            max(expected) AS expected, max(safety_stock) AS safety_stock
        FROM movement GROUP BY variant_id, location_id
    ), level AS (
        SELECT l.*, l.on_hand - l.unavailable - l.committed - l.reserved AS free
        FROM (SELECT variant_id, location_id FROM change ORDER BY variant_id, location_id) c CROSS JOIN LATERAL (
            SELECT * FROM stock_level s
            WHERE (s.variant_id, s.location_id) = (c.variant_id, c.location_id) FOR UPDATE
        ) l
    ), refused AS (
        SELECT c.variant_id, c.location_id, CASE
            WHEN c.need + c.shelf_need > 0 AND (
                c.need + c.shelf_need > coalesce(l.free, 0)
                OR c.need > 0 AND c.need > coalesce(l.free - l.safety_stock, 0)) THEN 'SHORT'
            WHEN c.floor AND coalesce(c.counted, l.on_hand) + c.on_hand < 0 THEN 'FLOOR'
            WHEN l.on_hand <> c.expected THEN 'EXPECTED'
            WHEN l.variant_id IS NULL THEN 'ABSENT'
            END AS why,
            CASE WHEN c.expected IS NOT NULL OR c.floor THEN l.on_hand
                WHEN c.need > 0 THEN greatest(0, l.free - l.safety_stock) ELSE greatest(0, l.free) END AS available
        FROM change c LEFT JOIN level l USING (variant_id, location_id)
    ), verdict AS MATERIALIZED (
        SELECT count(why) = 0 AS taken FROM refused
    ), aim AS (
        SELECT l.variant_id, l.location_id, l.on_hand AS on_hand_before, l.shortage AS shortage_before,
            l.version AS version_before, coalesce(c.counted, l.on_hand) + c.on_hand AS on_hand,
            l.committed + c.committed AS committed, l.reserved + c.reserved AS reserved,
            l.unavailable + c.unavailable AS unavailable, coalesce(c.safety_stock, l.safety_stock) AS safety_stock,
            c.counted IS NOT NULL AS counts, l.counted_at,
            -- Now that all locks are held: of one level, the order of these moments is the order of its changes,
            -- which the beginnings of transactions are not.
            clock_timestamp() AS moment
        FROM level l JOIN change c USING (variant_id, location_id) CROSS JOIN verdict WHERE verdict.taken
    ), target AS (
        SELECT *, greatest(0, committed + reserved + unavailable - on_hand) AS shortage FROM aim
    ), changed AS (
        UPDATE stock_level l SET on_hand = t.on_hand, committed = t.committed, reserved = t.reserved,
            unavailable = t.unavailable, safety_stock = t.safety_stock, shortage = t.shortage,
            counted_at = CASE WHEN t.counts THEN t.moment ELSE t.counted_at END,
            version = t.version_before + CASE WHEN t.shortage <> t.shortage_before THEN 2 ELSE 1 END,
            updated_at = t.moment
        FROM target t WHERE (l.variant_id, l.location_id) = (t.variant_id, t.location_id)
        RETURNING l.*, t.shortage_before, t.on_hand_before
    ), moved AS (
        INSERT INTO stock_movement (variant_id, location_id, reason, quantity, on_hand_delta, committed_delta,
            reserved_delta, unavailable_delta, reference, actor, occurred_at, recorded_at)
        SELECT m.variant_id, m.location_id, m.reason, m.quantity,
            coalesce(m.counted - c.on_hand_before, 0) + m.on_hand,
            m.committed, m.reserved, m.unavailable, {reference}, {actor}, coalesce({occurred_at}, c.updated_at),
            c.updated_at
        FROM movement m JOIN changed c USING (variant_id, location_id)
    ), opened AS (
        INSERT INTO shortage (variant_id, location_id, quantity, reference)
        SELECT variant_id, location_id, shortage - shortage_before, {reference} FROM changed
        WHERE shortage > shortage_before
    ), told AS (
        INSERT INTO outbox_event (type, subject, version, data)
        SELECT e.type, 'StockLevel:' || c.variant_id || ':' || c.location_id, e.version, jsonb_build_object(
            'onHand', c.on_hand, 'committed', c.committed, 'reserved', c.reserved, 'unavailable', c.unavailable,
            'safetyStock', c.safety_stock, 'shortage', c.shortage)
        FROM changed c CROSS JOIN LATERAL (
            SELECT 'stock.changed' AS type, c.version - (c.shortage <> c.shortage_before)::int AS version
            UNION ALL
            SELECT CASE WHEN c.shortage > c.shortage_before THEN 'shortage.opened' ELSE 'shortage.settled' END,
                c.version
            WHERE c.shortage <> c.shortage_before
        ) AS e
    )
"""

_POST = (
    _CHANGE.format(movements="$1", reference="$2", actor="$3", occurred_at="$4")
    + """
    SELECT NULL AS why, variant_id, location_id, on_hand, committed, reserved, unavailable, safety_stock, incoming,
        shortage, shortage_before, version, updated_at FROM changed
    UNION ALL
    SELECT why, variant_id, location_id, available, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM refused WHERE why IS NOT NULL
    ORDER BY variant_id, location_id
"""
)

_SETTLE = """
    WITH level AS (
        SELECT l.variant_id, l.location_id, l.shortage FROM stock_level l
        JOIN unnest($1::bigint[], $2::bigint[]) AS p(variant_id, location_id) USING (variant_id, location_id)
    ), waiting AS (
        SELECT s.id, s.quantity, l.shortage AS left_open,
            sum(s.quantity - s.settled) OVER (PARTITION BY s.variant_id, s.location_id ORDER BY s.id DESC)
                AS newer_open,
            s.quantity - s.settled AS open
        FROM shortage s JOIN level l USING (variant_id, location_id) WHERE s.settled < s.quantity
    ), due AS (
        -- What stays open are the newest units; the oldest are settled first.
        SELECT id, quantity - greatest(0, least(open, left_open - (newer_open - open))) AS settled FROM waiting
    )
    UPDATE shortage s SET settled = due.settled,
        settled_at = CASE WHEN due.settled = s.quantity THEN now() ELSE s.settled_at END
    FROM due WHERE s.id = due.id AND due.settled <> s.settled
"""

REFUSED = "UR001"
"""What `refuse_stock` raises, with the refusals as its detail."""

_ARM = """
    SELECT set_config('uriba.movements', $1, true), set_config('uriba.reference', $2, true),
        set_config('uriba.actor', $3, true)
"""
_POST_LAST = Prepared(
    "uriba_post_last",
    _CHANGE.format(
        movements="current_setting('uriba.movements')",
        reference="current_setting('uriba.reference')",
        actor="current_setting('uriba.actor')",
        occurred_at="NULL::timestamptz",
    )
    + """
    SELECT refuse_stock(json_agg(json_build_object('variant_id', variant_id, 'location_id', location_id, 'why', why,
        'available', coalesce(available, 0)))) FROM refused WHERE why IS NOT NULL HAVING count(*) > 0
    """,
)
