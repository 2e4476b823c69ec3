"""Reads of conflicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from uriba.conflicts.enums import ConflictKind, ConflictStatus
from uriba.core.errors import Code, Problem
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement

CONFLICT_COLUMNS = fragment("""
    c.id, c.kind, c.status, c.key, c.location_id, c.variant_id, c.order_id, c.terminal, c.quantity, c.message,
    c.problems, c.event, c.opened_at, c.resolved_at, c.resolved_by, c.note
""")


async def parked_by_key(session: Session, keys: Sequence[str]) -> dict[str, Row]:
    """Return the conflicts about facts that were parked, by key."""
    return {row["key"]: row for row in await session.fetch(_PARKED_BY_KEY, keys=keys)}


_PARKED_BY_KEY = statement(f"""
    SELECT {CONFLICT_COLUMNS} FROM conflict c WHERE c.kind IN ('PARKED', 'TAMPERED') AND c.key = ANY(:keys)
""")


async def newest(
    session: Session,
    *,
    status: ConflictStatus | None,
    kind: ConflictKind | None,
    location_id: int | None,
    first: int,
    before: int | None,
) -> list[Row]:
    """Return conflicts, the newest first, one more than asked for."""
    return await session.fetch(
        _NEWEST, status=status, kind=kind, location_id=location_id, before=before, limit=first + 1
    )


_NEWEST = statement(f"""
    SELECT {CONFLICT_COLUMNS} FROM conflict c
    WHERE (:status::text IS NULL OR c.status = :status) AND (:kind::text IS NULL OR c.kind = :kind)
        AND (:location_id::bigint IS NULL OR c.location_id = :location_id)
        AND (:before::bigint IS NULL OR c.id < :before)
    ORDER BY c.id DESC LIMIT :limit
""")


async def by_id(session: Session, conflict_id: int) -> Row | None:
    """Return one conflict."""
    return await session.fetchrow(_BY_ID, conflict_id=conflict_id)


_BY_ID = statement(f"SELECT {CONFLICT_COLUMNS} FROM conflict c WHERE c.id = :conflict_id")


def problems_of(row: Mapping[str, Any]) -> list[Problem]:
    """Return why a fact was parked, of a PARKED or TAMPERED conflict."""
    return [Problem(Code(p["code"]), p["message"], tuple(p["path"])) for p in row["problems"] or ()]


def sent_fact(row: Mapping[str, Any]) -> Any | None:
    """Return a till's fact as it was sent, of a PARKED or TAMPERED conflict."""
    return row["event"]["sent"] if row["event"] else None
