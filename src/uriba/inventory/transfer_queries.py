"""Reads of transfers."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from uriba.core.errors import Invalid
from uriba.db import Row, Session
from uriba.inventory.models import TransferStatus

_TRANSFER = """
    t.id, t.from_location_id, t.to_location_id, t.status, t.reference, t.reason, t.actor, t.created_at, t.shipped_at,
    t.closed_at, (
        SELECT json_agg(json_build_object('variant_id', l.variant_id, 'quantity', l.quantity, 'shipped', l.shipped,
            'received', l.received, 'returned', l.returned, 'discrepancy', l.discrepancy) ORDER BY l.position)
        FROM stock_transfer_line l WHERE l.transfer_id = t.id
    ) AS lines
"""


async def by_id(session: Session, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Transfers with their lines."""
    rows = await session.fetch(f"SELECT {_TRANSFER} FROM stock_transfer t WHERE t.id = ANY($1)", ids)
    return {row["id"]: row for row in rows}


async def some(
    session: Session, *, location_id: int | None, status: TransferStatus | None, first: int, before: str | None
) -> list[Row]:
    """Transfers from or to a location, newest first, one more than asked for. Errors: `Invalid` cursor."""
    return await session.fetch(
        f"SELECT {_TRANSFER} FROM stock_transfer t "
        "WHERE ($1::bigint IS NULL OR t.from_location_id = $1 OR t.to_location_id = $1) "
        "AND ($2::text IS NULL OR t.status = $2) AND ($3::uuid IS NULL OR t.id < $3) ORDER BY t.id DESC LIMIT $4",
        location_id,
        status,
        _key(before),
        first + 1,
    )


def _key(cursor: str | None) -> UUID | None:
    try:
        return UUID(cursor) if cursor is not None else None
    except ValueError:
        raise Invalid("This is not a cursor of this list.", "after") from None
