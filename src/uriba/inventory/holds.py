"""Holds: stock reserved for a cart while it pays. A hold ends exactly once: settled, released or expired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uriba.core.actor import SYSTEM
from uriba.db import Session
from uriba.db.statements import fragment, statement
from uriba.inventory.enums import HoldStatus, StockReason
from uriba.inventory.ledger import Movement, post, post_and_commit


@dataclass(frozen=True, slots=True)
class HeldUnits:
    """Units of a variant at a location. `at_till`: safety stock may be held too, for the location's own till."""

    variant_id: int
    location_id: int
    quantity: int
    at_till: bool = False


async def place_and_commit(
    session: Session, *, owner_id: UUID, units: Sequence[HeldUnits], term_s: int, reference: str, actor: str
) -> None:
    """Hold all units for a term, or none, and commit, as the last step of a transaction.

    Errors: `LedgerRefused`.
    """
    session.defer(
        _INSERT,
        owner_id=owner_id,
        variant_ids=[u.variant_id for u in units],
        location_ids=[u.location_id for u in units],
        quantities=[u.quantity for u in units],
        term_s=term_s,
    )
    await post_and_commit(session, [_reserve(unit) for unit in units], reference=reference, actor=actor)


_INSERT = statement("""
    INSERT INTO hold (owner_id, variant_id, location_id, quantity, expires_at)
    SELECT :owner_id, variant_id, location_id, quantity, now() + make_interval(secs => :term_s)
    FROM unnest(:variant_ids::bigint[], :location_ids::bigint[], :quantities::bigint[])
        AS u(variant_id, location_id, quantity)
""")


def _reserve(unit: HeldUnits) -> Movement:
    return Movement(
        variant_id=unit.variant_id,
        location_id=unit.location_id,
        reason=StockReason.RESERVE,
        quantity=unit.quantity,
        reserved=unit.quantity,
        need=0 if unit.at_till else unit.quantity,
        till_need=unit.quantity if unit.at_till else 0,
    )


async def end(session: Session, *, owner_id: UUID, status: HoldStatus) -> list[HeldUnits]:
    """End the owner's live holds with this status and return their units; the caller posts what becomes of them.

    Only live holds are changed: of several callers at once, one gets the units and the others none.
    """
    rows = await session.fetch(_END, owner_id=owner_id, status=status)
    return [HeldUnits(row["variant_id"], row["location_id"], row["quantity"]) for row in rows]


END_HOLDS = fragment("""
    UPDATE hold SET status = {status} WHERE owner_id = {owner} AND status = 'HELD'
    RETURNING variant_id, location_id, quantity
""")
"""The statement of `end`, for statements of checkout to run as a CTE."""

_END = statement(END_HOLDS.format(owner=":owner_id", status=":status"))


def release(units: Sequence[HeldUnits]) -> list[Movement]:
    """Return the movements that release held units."""
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
    """End holds whose term is over, release their units, and return how many holds. Locked holds are skipped."""
    rows = await session.fetch(_EXPIRE, limit=limit)
    if rows:
        units = [HeldUnits(row["variant_id"], row["location_id"], row["quantity"]) for row in rows]
        await post(session, release(units), reference="hold expired", actor=SYSTEM.label)
    return len(rows)


_EXPIRE = statement("""
    UPDATE hold SET status = 'EXPIRED' WHERE id IN (
        SELECT id FROM hold WHERE status = 'HELD' AND expires_at <= now()
        ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING variant_id, location_id, quantity
""")
