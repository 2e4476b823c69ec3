"""Holds: stock kept for a cart while it pays. A hold ends exactly once: settled, released or expired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.core.actor import SYSTEM
from uriba.db import Session
from uriba.inventory.ledger import Movement, post, post_and_commit
from uriba.inventory.models import HoldStatus, StockReason


@dataclass(frozen=True, slots=True)
class Held:
    """So many units of a variant at a location."""

    variant_id: int
    location_id: int
    quantity: int
    shelf: bool = False


async def place_and_commit(
    session: Session, *, owner_id: UUID, units: Sequence[Held], term_s: int, reference: str, actor: str
) -> None:
    """Hold all the units for a term, or refuse all of them; the last act of a transaction, which it commits.

    Errors: `LedgerRefused`.
    """
    session.defer(
        "INSERT INTO hold (owner_id, variant_id, location_id, quantity, expires_at) "
        "SELECT $1, v, l, q, now() + make_interval(secs => $5) "
        "FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS u(v, l, q)",
        owner_id,
        [u.variant_id for u in units],
        [u.location_id for u in units],
        [u.quantity for u in units],
        term_s,
    )
    await post_and_commit(session, [_reserve(unit) for unit in units], reference=reference, actor=actor)


def _reserve(unit: Held) -> Movement:
    return Movement(
        variant_id=unit.variant_id,
        location_id=unit.location_id,
        reason=StockReason.RESERVE,
        quantity=unit.quantity,
        reserved=unit.quantity,
        need=0 if unit.shelf else unit.quantity,
        shelf_need=unit.quantity if unit.shelf else 0,
    )


async def end(session: Session, *, owner_id: UUID, status: HoldStatus) -> list[Held]:
    """End the owner's live holds with this status and return them; the caller posts what becomes of the units.

    The change is conditional on the hold being live: of several callers at once one gets the units, the others none.
    """
    rows = await session.fetch(END.format(owner="$1", status="$2"), owner_id, status)
    return [Held(row["variant_id"], row["location_id"], row["quantity"]) for row in rows]


END = """
    UPDATE hold SET status = {status} WHERE owner_id = {owner} AND status = 'HELD'
    RETURNING variant_id, location_id, quantity
"""
"""What `end` does, for a hot statement to do as a CTE."""


def release(units: Sequence[Held]) -> list[Movement]:
    """The movements that put held units back."""
    return [
        Movement(
            variant_id=unit.variant_id,
            location_id=unit.location_id,
            reason=StockReason.RELEASE,
            quantity=unit.quantity,
            reserved=-unit.quantity,
        )
        for unit in units
    ]


async def expire(session: Session, *, limit: int = 200) -> int:
    """End holds whose term is over and put their units back; how many. A checkout completing now may win instead."""
    rows = await session.fetch(
        "UPDATE hold SET status = 'EXPIRED' WHERE id IN (SELECT id FROM hold WHERE status = 'HELD' "
        "AND expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED) "
        "RETURNING variant_id, location_id, quantity",
        limit,
    )
    if rows:
        units = [Held(row["variant_id"], row["location_id"], row["quantity"]) for row in rows]
        await post(session, release(units), reference="hold expired", actor=SYSTEM.label)
    return len(rows)
