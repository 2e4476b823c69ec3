"""Conflicts: opened by the domain that finds one, resolved by the hub or by people."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec

from uriba.conflicts.enums import ConflictKind, ConflictStatus
from uriba.conflicts.queries import CONFLICT_COLUMNS
from uriba.core.errors import InvalidState, NotFound, Problem
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement


class NewConflict(msgspec.Struct, frozen=True, kw_only=True):
    """A conflict to open.

    key: distinguishes the conflicts of one kind; a second one with the same key is not opened (of PARKED and TAMPERED
    never again, of other kinds while the first is open). event: the fact of a till, with how it was received.
    """

    kind: ConflictKind
    message: str
    key: str | None = None
    location_id: int | None = None
    variant_id: int | None = None
    order_id: UUID | None = None
    terminal: str | None = None
    quantity: int | None = None
    problems: tuple[Problem, ...] | None = None
    event: Any | None = None


def open_conflicts(session: Session, conflicts: Sequence[NewConflict]) -> None:
    """Open conflicts with this transaction."""
    # Tills of one store share the keys of PRICE_VARIANCE. An INSERT of a key that another transaction has inserted
    # waits for its end, so all insert in the order of the keys.
    ordered = sorted(conflicts, key=lambda c: (c.key or "") if c.kind is ConflictKind.PRICE_VARIANCE else "")
    if ordered:
        session.defer(
            _OPEN,
            kinds=[c.kind for c in ordered],
            keys=[c.key for c in ordered],
            location_ids=[c.location_id for c in ordered],
            variant_ids=[c.variant_id for c in ordered],
            order_ids=[c.order_id for c in ordered],
            terminals=[c.terminal for c in ordered],
            quantities=[c.quantity for c in ordered],
            messages=[c.message for c in ordered],
            problems=[_json(c.problems) for c in ordered],
            events=[_json(c.event) for c in ordered],
        )


def _json(value: object) -> str | None:
    # The columns are json, which keeps text that jsonb refuses, such as NUL characters in what a till has sent.
    return None if value is None else msgspec.json.encode(value).decode()


_OPEN = statement("""
    INSERT INTO conflict (kind, key, location_id, variant_id, order_id, terminal, quantity, message, problems, event)
    SELECT * FROM unnest(:kinds::text[], :keys::text[], :location_ids::bigint[], :variant_ids::bigint[],
        :order_ids::uuid[], :terminals::text[], :quantities::bigint[], :messages::text[], :problems::json[],
        :events::json[]) AS n(kind, key, location_id, variant_id, order_id, terminal, quantity, message, problems,
        event)
    WHERE NOT EXISTS (
        SELECT FROM conflict o WHERE o.key = n.key AND o.kind = n.kind
            AND (o.kind IN ('PARKED', 'TAMPERED') OR o.status = 'OPEN'))
    ON CONFLICT DO NOTHING
""")


OPEN_SHORTAGE_CONFLICTS = fragment("""
    INSERT INTO conflict (kind, location_id, variant_id, shortage_id, quantity, message)
    SELECT 'SHORTAGE', location_id, variant_id, id, quantity,
        quantity || ' units are missing: more are sold, promised or unavailable than are on hand.' FROM {shortages}
""")
"""Part of a statement that opens a conflict for each new shortage of a CTE."""

RESOLVE_SHORTAGE_CONFLICTS = fragment("""
    UPDATE conflict SET status = 'RESOLVED', resolved_at = now(), resolved_by = 'system:hub'
    WHERE status = 'OPEN' AND shortage_id IN (SELECT id FROM {shortages})
""")
"""Part of a statement that resolves the conflicts of the settled shortages of a CTE."""


async def lock_open(session: Session, conflict_id: int | None) -> Row:
    """Lock an open conflict, to resolve it.

    Errors: `NotFound`, `InvalidState` where it is resolved already.
    """
    row = await session.fetchrow(_LOCK, conflict_id=conflict_id)
    if row is None:
        raise NotFound("There is no such conflict.", "id")
    if row["status"] != ConflictStatus.OPEN:
        raise InvalidState("This conflict is resolved already.", "id")
    return row


_LOCK = statement(f"SELECT {CONFLICT_COLUMNS} FROM conflict c WHERE c.id = :conflict_id FOR UPDATE")


OPEN_STOCK_CHECKS = fragment("""
    SELECT c.id, c.variant_id, c.location_id, c.quantity, c.opened_at FROM conflict c
    WHERE c.kind = 'STOCK_CHECK' AND c.status = 'OPEN'
""")
"""A subquery: the open stock checks. For statements of other domains."""


async def lock_all(session: Session, conflict_ids: Collection[int]) -> None:
    """Lock conflicts, to resolve those that are still open, in the order of their levels."""
    await session.run(_LOCK_ALL, conflict_ids=list(conflict_ids))


_LOCK_ALL = statement("""
    SELECT FROM conflict c WHERE c.id = ANY(:conflict_ids)
    ORDER BY c.variant_id, c.location_id, c.id FOR UPDATE
""")


async def resolve(session: Session, *, conflict_id: int, actor: str, note: str | None) -> Row:
    """Resolve a locked conflict and return it."""
    row = await session.fetchrow(_RESOLVE, conflict_id=conflict_id, actor=actor, note=note)
    assert row is not None
    return row


_RESOLVE = statement(f"""
    UPDATE conflict c SET status = 'RESOLVED', resolved_at = now(), resolved_by = :actor, note = :note
    WHERE c.id = :conflict_id RETURNING {CONFLICT_COLUMNS}
""")
