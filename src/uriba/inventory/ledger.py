"""The ledger: the only module that changes stock.

`post` is one statement. It locks the levels in (variant, location) order, checks every condition on the locked rows,
changes all levels or none, and writes the movements and the events. A concurrent call waits for the locked rows and
then sees the newest numbers. Post last in a transaction, so that the locks are held only until the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
import msgspec

from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.inventory.enums import StockReason, StockState
from uriba.inventory.errors import LedgerRefused, LevelRefusal
from uriba.inventory.ledger_sql import POST, POST_AND_COMMIT, POST_FACTS, REFUSED, SET_POST_PARAMETERS, SETTLE_SHORTAGES
from uriba.inventory.queries import AVAILABLE, LevelKey


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one level, in units.

    need: units that must be available; till_need: units that must be available to the location's own till, which may
    sell safety stock. floor: on hand may not fall below zero. counted: sets on hand, as a count as of now; with
    `expected` only where on hand is that number. state: why units become unavailable, or were. Movements of one level
    are added up before anything is checked.
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
    till_need: int = 0
    floor: bool = False
    counted: int | None = None
    expected: int | None = None
    safety_stock: int | None = None
    incoming: int = 0
    state: StockState | None = None


class StockFact(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one level that has already happened, in units. It is applied even where on hand becomes negative.

    counted: makes it a count of what was there. The facts of a level are ordered by (`occurred_at`, `reference`);
    `occurred_at` is never in the future. on_hand, unavailable: what it adds; a count replaces on hand only.
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


class LockedLevel(NamedTuple):
    """A locked level. `free`: available units; `short`: committed units that are not there."""

    free: int
    short: int


async def post(
    session: Session,
    movements: Sequence[Movement],
    *,
    reference: str,
    actor: str,
    occurred_at: datetime | None = None,
) -> list[Row]:
    """Post movements, all or none; return the changed levels in (variant, location) order.

    Errors: `LedgerRefused`, with every level that refuses.
    """
    rows = await session.fetch(
        POST,
        movements=msgspec.json.encode(movements).decode(),
        reference=reference,
        actor=actor,
        occurred_at=occurred_at,
    )
    refused = [row for row in rows if row["why"] is not None]
    if refused:
        raise LedgerRefused([LevelRefusal(r["variant_id"], r["location_id"], r["why"], r["on_hand"]) for r in refused])
    await _settle(session, rows)
    return rows


async def post_facts(session: Session, facts: Sequence[StockFact], *, actor: str) -> list[Row]:
    """Post facts, even where on hand becomes negative; return the changed levels in (variant, location) order.

    Counts are barriers: on hand is the last count (by `occurred_at`) plus what was added after it, in any order
    of arrival. An earlier fact stays in the ledger and changes nothing. Every level must exist: see `open_levels`.

    Source of the rule: "How counts and late facts meet" in docs/domain.md.
    """
    if any(fact.counted is not None for fact in facts):
        # A new last count sums the movements after it. A statement sees the ledger as of its own start, so the levels
        # are locked by a statement before it.
        await session.run(_LOCK, variant_ids=[f.variant_id for f in facts], location_ids=[f.location_id for f in facts])
    rows = await session.fetch(
        POST_FACTS,
        variant_ids=[f.variant_id for f in facts],
        location_ids=[f.location_id for f in facts],
        reasons=[f.reason for f in facts],
        quantities=[f.quantity for f in facts],
        on_hand=[f.on_hand for f in facts],
        unavailable=[f.unavailable for f in facts],
        counted=[f.counted for f in facts],
        states=[f.state for f in facts],
        occurred_at=[f.occurred_at for f in facts],
        references=[f.reference for f in facts],
        actor=actor,
    )
    await _settle(session, rows)
    return rows


_LOCK = statement("""
    SELECT FROM (
        SELECT DISTINCT v, p FROM unnest(:variant_ids::bigint[], :location_ids::bigint[]) AS k(v, p) ORDER BY v, p
    ) k
    CROSS JOIN LATERAL (
        SELECT FROM stock_level s WHERE (s.variant_id, s.location_id) = (k.v, k.p) FOR UPDATE
    ) l
""")


async def _settle(session: Session, rows: Sequence[Row]) -> None:
    """Settle shortages of the levels whose shortage has become smaller, the oldest first."""
    eased = [row for row in rows if row["shortage"] < row["shortage_before"]]
    if eased:
        await session.run(
            SETTLE_SHORTAGES,
            variant_ids=[r["variant_id"] for r in eased],
            location_ids=[r["location_id"] for r in eased],
        )


async def post_and_commit(session: Session, movements: Sequence[Movement], *, reference: str, actor: str) -> None:
    """Post movements and commit, as the last step of a transaction. The movements may not settle shortages.

    The levels are locked and released within one round trip, so other sellers never wait for this process: one level
    can be sold from hundreds of times a second.

    Errors: `LedgerRefused`; then nothing of the transaction is committed.
    """
    assert not any(_may_settle(movement) for movement in movements), "movements that settle shortages need post"
    await session.prepare(POST_AND_COMMIT)
    await session.flush_and_fetch(
        SET_POST_PARAMETERS, movements=msgspec.json.encode(movements).decode(), reference=reference, actor=actor
    )
    try:
        await session.execute_and_commit(POST_AND_COMMIT)
    except asyncpg.PostgresError as error:
        if error.sqlstate != REFUSED:
            raise
        refused = msgspec.json.decode(error.detail or "[]", type=list[LevelRefusal])
        raise LedgerRefused(refused) from error


def _may_settle(movement: Movement) -> bool:
    promised = movement.committed + movement.reserved + movement.unavailable
    return movement.counted is not None or movement.on_hand > promised


async def lock_levels(session: Session, levels: Collection[LevelKey]) -> dict[LevelKey, LockedLevel]:
    """Lock levels in (variant, location) order, so that promises can be moved between them."""
    rows = await session.fetch(
        _LOCK_FOR_PROMISES,
        variant_ids=[variant_id for variant_id, _ in levels],
        location_ids=[location_id for _, location_id in levels],
    )
    return {(row["variant_id"], row["location_id"]): LockedLevel(row["free"], row["short"]) for row in rows}


_LOCK_FOR_PROMISES = statement(f"""
    SELECT variant_id, location_id, {AVAILABLE} AS free, least(l.shortage, l.committed) AS short
    FROM (
        SELECT DISTINCT v, p FROM unnest(:variant_ids::bigint[], :location_ids::bigint[]) AS k(v, p) ORDER BY v, p
    ) k CROSS JOIN LATERAL (
        SELECT * FROM stock_level s WHERE (s.variant_id, s.location_id) = (k.v, k.p) FOR UPDATE
    ) l
""")


async def open_levels(session: Session, pairs: Sequence[tuple[int, int]]) -> None:
    """Create the missing levels of these (variant, location) pairs, empty."""
    await session.run(
        _OPEN_LEVELS,
        variant_ids=[variant_id for variant_id, _ in pairs],
        location_ids=[location_id for _, location_id in pairs],
    )


_OPEN_LEVELS = statement("""
    INSERT INTO stock_level (variant_id, location_id)
    SELECT v, l FROM unnest(:variant_ids::bigint[], :location_ids::bigint[]) AS p(v, l) ORDER BY v, l
    ON CONFLICT DO NOTHING
""")
