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
from uriba.inventory.models import StockReason, StockState
from uriba.outbox import event


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one level, in units.

    need: so many must be available, safety stock kept back; shelf_need: the same with the safety stock (the location's
    own till). floor: on hand may not fall below zero. counted: sets on hand, a count as of now; with `expected` only
    where on hand is that number. `state`: why units become unavailable (or were, until now). Several movements of one
    level are added up before anything is checked.
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
    incoming: int = 0
    state: StockState | None = None


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one level at a time that is over, in units; whatever the hub thinks of it.

    `counted` makes it a count: what was there then. Of one level, facts are ordered by (`occurred_at`, `reference`);
    `occurred_at` is never in the future. `on_hand` and `unavailable` are what it adds; only on hand is for counts.
    """

    variant_id: int
    location_id: int
    reason: StockReason
    quantity: int
    occurred_at: datetime
    reference: str
    on_hand: int = 0
    unavailable: int = 0
    counted: int | None = None
    state: StockState | None = None


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
    if any(movement.state and movement.unavailable < 0 for movement in movements):
        await _refuse_states(session, rows)
    await _settle(session, rows)
    return rows


async def post_facts(session: Session, facts: Sequence[Fact], *, actor: str) -> list[Row]:
    """Post what has happened, whatever it makes of the levels; those as they are now, in (variant, location) order.

    Counts are barriers: on hand is what the last count found (by `occurred_at`) and what was added after it, in
    whatever order facts arrive. An earlier one stays in the ledger and moves nothing. Every level has to be open.

    Source of the rule: the domain's "How counts and late facts meet".
    """
    rows = await session.fetch(
        _POST_FACTS,
        [f.variant_id for f in facts],
        [f.location_id for f in facts],
        [f.reason for f in facts],
        [f.quantity for f in facts],
        [f.on_hand for f in facts],
        [f.unavailable for f in facts],
        [f.counted for f in facts],
        [f.state for f in facts],
        [f.occurred_at for f in facts],
        [f.reference for f in facts],
        actor,
    )
    await _settle(session, rows)
    return rows


async def _settle(session: Session, rows: Sequence[Row]) -> None:
    """Settle the shortages of levels that are short of less than before, oldest first."""
    eased = [row for row in rows if row["shortage"] < row["shortage_before"]]
    if eased:
        await session.run(_SETTLE, [r["variant_id"] for r in eased], [r["location_id"] for r in eased])


async def _refuse_states(session: Session, rows: Sequence[Row]) -> None:
    """Units that were not in a state cannot leave it. Errors: `LedgerRefused`."""
    below = await session.fetch(
        "SELECT u.variant_id, u.location_id FROM stock_unavailable u JOIN unnest($1::bigint[], $2::bigint[]) "
        "AS k(variant_id, location_id) USING (variant_id, location_id) WHERE u.quantity < 0",
        [r["variant_id"] for r in rows],
        [r["location_id"] for r in rows],
    )
    if below:
        raise LedgerRefused([Refusal(r["variant_id"], r["location_id"], "STATE", 0) for r in below])


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
_LEVEL = """
    level AS (
        SELECT l.*, l.on_hand - l.unavailable - l.committed - l.reserved AS free
        FROM (SELECT DISTINCT variant_id, location_id FROM {given} ORDER BY variant_id, location_id) c
        CROSS JOIN LATERAL (
            SELECT * FROM stock_level s
            WHERE (s.variant_id, s.location_id) = (c.variant_id, c.location_id) FOR UPDATE
        ) l
    )
"""

# What becomes of levels: `aim` says what each will be, `line` the movements that make it so.
# `moment`: now that all locks are held. Of one level, the order of these moments is the order of its changes, which the
# beginnings of transactions are not; no two are equal, even where the clock is set back.
_WRITE = """
    target AS (
        SELECT *, greatest(0, committed + reserved + unavailable - on_hand) AS shortage FROM aim
    ), changed AS (
        UPDATE stock_level l SET on_hand = t.on_hand, committed = t.committed, reserved = t.reserved,
            unavailable = t.unavailable, incoming = t.incoming, safety_stock = t.safety_stock, shortage = t.shortage,
            counted_at = coalesce(t.counts_at, l.counted_at), counted_by = coalesce(t.counts_by, l.counted_by),
            version = t.version_before + CASE WHEN t.shortage <> t.shortage_before THEN 2 ELSE 1 END,
            updated_at = t.moment
        FROM target t WHERE (l.variant_id, l.location_id) = (t.variant_id, t.location_id)
        RETURNING l.*, t.shortage_before, least(t.shortage_before, t.promised_before) AS broken_before
    ), moved AS (
        INSERT INTO stock_movement (variant_id, location_id, reason, quantity, on_hand_delta, committed_delta,
            reserved_delta, unavailable_delta, incoming_delta, state, reference, actor, occurred_at, recorded_at)
        SELECT variant_id, location_id, m.reason, m.quantity, m.on_hand, m.committed, m.reserved, m.unavailable,
            m.incoming, m.state, m.reference, {actor}, coalesce(m.occurred_at, c.updated_at), c.updated_at
        FROM line m JOIN changed c USING (variant_id, location_id)
    ), put AS (
        INSERT INTO stock_unavailable AS u (variant_id, location_id, state, quantity)
        SELECT m.variant_id, m.location_id, m.state, sum(m.unavailable)
        FROM line m JOIN changed USING (variant_id, location_id) WHERE m.state IS NOT NULL GROUP BY 1, 2, 3
        ON CONFLICT (variant_id, location_id, state) DO UPDATE SET quantity = u.quantity + excluded.quantity
    ), opened AS (
        INSERT INTO shortage (variant_id, location_id, quantity, reference)
        SELECT c.variant_id, c.location_id, c.shortage - c.shortage_before,
            (SELECT max(m.reference) FROM line m WHERE (m.variant_id, m.location_id) = (c.variant_id, c.location_id))
        FROM changed c WHERE c.shortage > c.shortage_before RETURNING *
    ), told_people AS (
        INSERT INTO conflict (kind, location_id, variant_id, shortage_id, quantity, message)
        SELECT 'SHORTAGE', location_id, variant_id, id, quantity,
            quantity || ' units are missing here: more were sold, promised or put aside than are on hand.' FROM opened
    ), told AS (
        INSERT INTO outbox_event (type, subject, version, data)
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
        SELECT * FROM json_to_recordset({{movements}}::json) AS m(
            variant_id bigint, location_id bigint, reason text, quantity bigint, on_hand bigint, committed bigint,
            reserved bigint, unavailable bigint, incoming bigint, state text, need bigint, shelf_need bigint,
            floor boolean, counted bigint, expected bigint, safety_stock bigint)
    ), change AS (
        SELECT variant_id, location_id, sum(on_hand) AS on_hand, sum(committed) AS committed,
            sum(reserved) AS reserved, sum(unavailable) AS unavailable, sum(incoming) AS incoming, sum(need) AS need,
            sum(shelf_need) AS shelf_need, bool_or(floor) AS floor, max(counted) AS counted,
            max(expected) AS expected, max(safety_stock) AS safety_stock
        FROM movement GROUP BY variant_id, location_id
    ), {_LEVEL.format(given="change")}, refused AS (
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
            l.committed + l.reserved AS promised_before, l.version AS version_before,
            coalesce(c.counted, l.on_hand) + c.on_hand AS on_hand,
            l.committed + c.committed AS committed, l.reserved + c.reserved AS reserved,
            l.unavailable + c.unavailable AS unavailable, l.incoming + c.incoming AS incoming,
            coalesce(c.safety_stock, l.safety_stock) AS safety_stock,
            CASE WHEN c.counted IS NOT NULL THEN n.moment END AS counts_at,
            CASE WHEN c.counted IS NOT NULL THEN {{reference}} END AS counts_by, n.moment
        FROM level l JOIN change c USING (variant_id, location_id) CROSS JOIN verdict
        CROSS JOIN LATERAL (SELECT greatest(clock_timestamp(), l.updated_at + interval '1 microsecond') AS moment) n WHERE verdict.taken
    ), line AS (
        SELECT m.variant_id, m.location_id, m.reason, m.quantity,
            coalesce(m.counted - a.on_hand_before, 0) + m.on_hand AS on_hand, m.committed, m.reserved, m.unavailable,
            m.incoming, m.state, {{reference}} AS reference, {{occurred_at}} AS occurred_at
        FROM movement m JOIN aim a USING (variant_id, location_id)
    ), {_WRITE}
"""

_AS_NOW = """
    variant_id, location_id, on_hand, committed, reserved, unavailable, safety_stock, incoming, shortage,
    shortage_before, greatest(0, least(shortage, committed + reserved) - broken_before) AS broken, version, updated_at
"""
"""A level after a change; `broken`: promised units that the change made impossible."""

# `last` is the newest count of a level among the facts, where it is newer than the one that the level knows. What the
# facts add counts if it occurred after the newer of the two. A new last count moves on hand to what was counted and
# what was added since: movements that occurred after a time were recorded after it too, which is what the index is by.
_POST_FACTS = f"""
    WITH fact AS MATERIALIZED (
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
            $7::bigint[], $8::text[], $9::timestamptz[], $10::text[]) WITH ORDINALITY AS f(variant_id, location_id,
            reason, quantity, on_hand, unavailable, counted, state, occurred_at, reference, n)
    ), {_LEVEL.format(given="fact")}, last AS (
        SELECT DISTINCT ON (variant_id, location_id) variant_id, location_id, f.n, f.occurred_at, f.reference,
            f.counted - l.on_hand + coalesce((
                SELECT sum(m.on_hand_delta) FROM stock_movement m
                WHERE (m.variant_id, m.location_id) = (f.variant_id, f.location_id) AND m.recorded_at >= f.occurred_at
                    AND (m.occurred_at, m.reference COLLATE "C") > (f.occurred_at, f.reference)
            ), 0) AS on_hand
        FROM fact f JOIN level l USING (variant_id, location_id)
        WHERE f.counted IS NOT NULL AND (l.counted_at IS NULL
            OR (f.occurred_at, f.reference COLLATE "C") > (l.counted_at, l.counted_by))
        ORDER BY variant_id, location_id, f.occurred_at DESC, f.reference COLLATE "C" DESC
    ), line AS MATERIALIZED (
        SELECT f.variant_id, f.location_id, f.reason, f.quantity, CASE
                WHEN f.n = c.n THEN c.on_hand
                WHEN f.counted IS NOT NULL THEN 0
                WHEN (f.occurred_at, f.reference COLLATE "C") > (c.occurred_at, c.reference) THEN f.on_hand
                WHEN c.n IS NOT NULL THEN 0
                WHEN l.counted_at IS NULL THEN f.on_hand
                WHEN (f.occurred_at, f.reference COLLATE "C") > (l.counted_at, l.counted_by) THEN f.on_hand
                ELSE 0
            END AS on_hand, 0 AS committed, 0 AS reserved, f.unavailable, 0 AS incoming, f.state, f.reference,
            f.occurred_at
        FROM fact f JOIN level l USING (variant_id, location_id) LEFT JOIN last c USING (variant_id, location_id)
    ), aim AS (
        SELECT l.variant_id, l.location_id, l.shortage AS shortage_before, l.committed + l.reserved AS promised_before,
            l.version AS version_before, l.on_hand + s.on_hand AS on_hand, l.committed, l.reserved,
            l.unavailable + s.unavailable AS unavailable, l.incoming, l.safety_stock, c.occurred_at AS counts_at,
            c.reference AS counts_by, greatest(clock_timestamp(), l.updated_at + interval '1 microsecond') AS moment
        FROM level l JOIN (
            SELECT variant_id, location_id, sum(on_hand) AS on_hand, sum(unavailable) AS unavailable
            FROM line GROUP BY 1, 2
        ) s USING (variant_id, location_id) LEFT JOIN last c USING (variant_id, location_id)
    ), {_WRITE.format(actor="$11")}
    SELECT {_AS_NOW} FROM changed ORDER BY variant_id, location_id
"""

_POST = (
    _CHANGE.format(movements="$1", reference="$2", actor="$3", occurred_at="$4::timestamptz")
    + f"""
    SELECT NULL AS why, {_AS_NOW} FROM changed
    UNION ALL
    SELECT why, variant_id, location_id, available, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
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
    ), settled AS (
        UPDATE shortage s SET settled = due.settled,
            settled_at = CASE WHEN due.settled = s.quantity THEN now() ELSE s.settled_at END
        FROM due WHERE s.id = due.id AND due.settled <> s.settled RETURNING s.id, due.settled = s.quantity AS whole
    )
    UPDATE conflict SET status = 'RESOLVED', resolved_at = now(), resolved_by = 'system:hub'
    WHERE status = 'OPEN' AND shortage_id IN (SELECT id FROM settled WHERE whole)
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
