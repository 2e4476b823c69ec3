"""Conflicts: opened by whoever meets one, settled by the hub or by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from uriba.conflicts.models import ConflictKind, ConflictStatus
from uriba.core.errors import InvalidState, NotFound, Problem
from uriba.db import Row, Session

COLUMNS = """
    c.id, c.kind, c.status, c.key, c.location_id, c.variant_id, c.order_id, c.terminal, c.quantity, c.message,
    c.problems, c.event, c.opened_at, c.resolved_at, c.resolved_by, c.note
"""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say of a conflict. `key` tells those of one kind apart: the same again opens none."""

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


def open_cases(session: Session, cases: Sequence[Case]) -> None:
    """Have the cases written with this transaction."""
    # As JSON text of their own: what a till sent may hold what no text of PostgreSQL can, such as NUL. In the order of
    # the keys that two tills may share: whoever inserts one that another has inserted waits for that one's end.
    rows = [
        (c.kind, c.key, c.location_id, c.variant_id, c.order_id, c.terminal, c.quantity, c.message, *_as_json(c))
        for c in sorted(cases, key=lambda c: (c.key or "") if c.kind is ConflictKind.PRICE_VARIANCE else "")
    ]
    if rows:
        session.defer(_OPEN, *(list(column) for column in zip(*rows, strict=True)))


def _as_json(case: Case) -> tuple[str | None, str | None]:
    problems = None if case.problems is None else msgspec.json.encode(case.problems).decode()
    return problems, None if case.event is None else msgspec.json.encode(case.event).decode()


_OPEN = """
    INSERT INTO conflict (kind, key, location_id, variant_id, order_id, terminal, quantity, message, problems, event)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::bigint[],
        $8::text[], $9::json[], $10::json[]) AS n(kind, key, location_id, variant_id, order_id, terminal, quantity,
        message, problems, event)
    WHERE NOT EXISTS (
        SELECT FROM conflict o WHERE o.key = n.key AND o.kind = n.kind
            AND (o.kind IN ('PARKED', 'TAMPERED') OR o.status = 'OPEN'))
    ON CONFLICT DO NOTHING
"""


async def by_key(session: Session, keys: Sequence[str]) -> dict[str, Row]:
    """Facts that were put aside, by key."""
    rows = await session.fetch(
        f"SELECT {COLUMNS} FROM conflict c WHERE c.kind IN ('PARKED', 'TAMPERED') AND c.key = ANY($1)", keys
    )
    return {row["key"]: row for row in rows}


async def some(
    session: Session,
    *,
    status: ConflictStatus | None,
    kind: ConflictKind | None,
    location_id: int | None,
    first: int,
    before: int | None,
) -> list[Row]:
    """Cases, newest first, one more than asked for."""
    return await session.fetch(
        f"SELECT {COLUMNS} FROM conflict c WHERE ($1::text IS NULL OR c.status = $1) "
        "AND ($2::text IS NULL OR c.kind = $2) AND ($3::bigint IS NULL OR c.location_id = $3) "
        "AND ($4::bigint IS NULL OR c.id < $4) "
        "ORDER BY c.id DESC LIMIT $5",
        status,
        kind,
        location_id,
        before,
        first + 1,
    )


async def by_id(session: Session, conflict_id: int) -> Row | None:
    return await session.fetchrow(f"SELECT {COLUMNS} FROM conflict c WHERE c.id = $1", conflict_id)


async def take(session: Session, conflict_id: int) -> Row:
    """Lock an open case, to settle it.

    Errors: `NotFound`, `InvalidState` where it is settled already.
    """
    row = await session.fetchrow(f"SELECT {COLUMNS} FROM conflict c WHERE c.id = $1 FOR UPDATE", conflict_id)
    if row is None:
        raise NotFound("There is no such conflict.", "id")
    if row["status"] != ConflictStatus.OPEN:
        raise InvalidState("This conflict is resolved already.", "id")
    return row


async def resolve(session: Session, *, conflict_id: int, actor: str, note: str | None) -> Row:
    """Settle a case that was taken."""
    row = await session.fetchrow(
        "UPDATE conflict c SET status = 'RESOLVED', resolved_at = now(), resolved_by = $2, note = $3 "
        f"WHERE c.id = $1 RETURNING {COLUMNS}",
        conflict_id,
        actor,
        note,
    )
    assert row is not None
    return row


def fact_of(row: Mapping[str, Any]) -> Any | None:
    """A till's fact as it was sent; what else is kept with it is the hub's own."""
    return row["event"]["sent"] if row["event"] else None
