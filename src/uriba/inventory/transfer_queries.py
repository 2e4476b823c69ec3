"""Reads of transfers."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.core.errors import Invalid
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.inventory.enums import TransferStatus

_TRANSFER_COLUMNS = """
    t.id, t.from_location_id, t.to_location_id, t.status, t.reference, t.reason, t.actor, t.created_at, t.shipped_at,
    t.closed_at, (
        SELECT json_agg(json_build_object('variant_id', l.variant_id, 'quantity', l.quantity, 'shipped', l.shipped,
            'received', l.received, 'returned', l.returned, 'discrepancy', l.discrepancy) ORDER BY l.position)
        FROM stock_transfer_line l WHERE l.transfer_id = t.id
    ) AS lines
"""


async def by_id(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Return transfers with their lines."""
    return {row["id"]: row for row in await session.fetch(_BY_ID, ids=ids)}


_BY_ID = statement(f"SELECT {_TRANSFER_COLUMNS} FROM stock_transfer t WHERE t.id = ANY(:ids)")


async def newest(
    session: Session, *, location_id: int | None, status: TransferStatus | None, first: int, before: str | None
) -> list[Row]:
    """Return transfers from or to a location, the newest first, one more than asked for. Errors: `Invalid` cursor."""
    return await session.fetch(
        _NEWEST, location_id=location_id, status=status, before=_cursor_key(before), limit=first + 1
    )


_NEWEST = statement(f"""
    SELECT {_TRANSFER_COLUMNS} FROM stock_transfer t
    WHERE (:location_id::bigint IS NULL OR t.from_location_id = :location_id OR t.to_location_id = :location_id)
        AND (:status::text IS NULL OR t.status = :status) AND (:before::uuid IS NULL OR t.id < :before)
    ORDER BY t.id DESC LIMIT :limit
""")


def _cursor_key(cursor: str | None) -> UUID | None:
    try:
        return UUID(cursor) if cursor is not None else None
    except ValueError:
        raise Invalid("This is not a cursor of this list.", "after") from None
