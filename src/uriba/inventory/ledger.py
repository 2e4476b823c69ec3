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
from uriba.inventory.errors import LedgerRefused, Refusal
from uriba.inventory.ledger_sql import ARM, POST, POST_FACTS, POST_LAST, REFUSED, SETTLE
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
    rows = await session.fetch(POST, msgspec.json.encode(movements).decode(), reference, actor, occurred_at)
    refused = [row for row in rows if row["why"] is not None]
    if refused:
        raise LedgerRefused([Refusal(r["variant_id"], r["location_id"], r["why"], r["on_hand"]) for r in refused])
    await _settle(session, rows)
    return rows


async def post_facts(session: Session, facts: Sequence[Fact], *, actor: str) -> list[Row]:
    """Post what has happened, whatever it makes of the levels; those as they are now, in (variant, location) order.

    Counts are barriers: on hand is what the last count found (by `occurred_at`) and what was added after it, in
    whatever order facts arrive. An earlier one stays in the ledger and moves nothing. Every level has to be open.

    Source of the rule: the domain's "How counts and late facts meet".
    """
    if any(fact.counted is not None for fact in facts):
        # A new last count adds up what was moved after it. A statement sees the ledger as it was when the statement
        # began: whoever is waited for has to be done before that.
        await session.run(_LOCK, [f.variant_id for f in facts], [f.location_id for f in facts])
    rows = await session.fetch(
        POST_FACTS,
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


_LOCK = """
    SELECT FROM (SELECT DISTINCT v, p FROM unnest($1::bigint[], $2::bigint[]) AS k(v, p) ORDER BY v, p) k
    CROSS JOIN LATERAL (
        SELECT FROM stock_level s WHERE (s.variant_id, s.location_id) = (k.v, k.p) FOR UPDATE
    ) l
"""


async def _settle(session: Session, rows: Sequence[Row]) -> None:
    """Settle the shortages of levels that are short of less than before, oldest first."""
    eased = [row for row in rows if row["shortage"] < row["shortage_before"]]
    if eased:
        await session.run(SETTLE, [r["variant_id"] for r in eased], [r["location_id"] for r in eased])


async def post_last(session: Session, movements: Sequence[Movement], *, reference: str, actor: str) -> None:
    """Post movements that lessen no shortage and commit, as the last act of a transaction; its events go before.

    The locks on the levels live within one round trip: between them and the commit nobody waits for this process. So
    one level can be sold from hundreds of times a second, however busy its sellers are.

    Errors: `LedgerRefused`; nothing of the transaction stands then.
    """
    assert not any(_may_settle(movement) for movement in movements), "whoever settles shortages uses post"
    await session.prepare(POST_LAST)
    event.write(session)
    await session.together(ARM, msgspec.json.encode(movements).decode(), reference, actor)
    try:
        await session.finish(POST_LAST)
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
