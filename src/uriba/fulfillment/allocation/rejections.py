"""Rejections: a location did not find what it promised. It comes from elsewhere or waits, and the shelf is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from uriba.cart.models import FulfillmentMethod
from uriba.conflicts import conflicts
from uriba.conflicts.conflicts import NewConflict
from uriba.conflicts.models import ConflictKind
from uriba.db import Session
from uriba.fulfillment.allocation import level_locks, reallocate
from uriba.fulfillment.allocation.reallocate import Reallocation
from uriba.fulfillment.models import FulfillmentStatus
from uriba.fulfillment.order_snapshot import FulfillmentPart, OrderSnapshot
from uriba.fulfillment.sourcing.selection import Demand, Supply, assign_units
from uriba.inventory import ledger
from uriba.inventory.ledger import Movement
from uriba.inventory.models import StockReason, StockState
from uriba.inventory.queries import supply_by_variant

REJECTED = "REJECTED"


async def reject(
    session: Session,
    book: OrderSnapshot,
    part_id: UUID,
    parts: Sequence[FulfillmentPart],
    *,
    reason: str | None,
    actor: str,
) -> None:
    """Have these units of a locked order come from another location, else wait at this one.

    What was not found is put aside there until the shelf is counted: nobody is promised it meanwhile. Locations that
    rejected units of this order before are not asked now.
    """
    here = parts[0].location_id
    refused = {here, *(p.location_id for p in book.pieces if p.status is FulfillmentStatus.REJECTED)}
    variants = {line.id: line.variant_id for line in book.lines}
    supply = await _elsewhere(session, book, parts, refused, variants)
    keys = {(variant, place.location_id) for variant, places in supply.items() for place in places}
    rows = await level_locks.lock(session, keys | {(variants[part.line_id], here) for part in parts})
    left = {key: row["free"] for key, row in rows.items()}
    found: list[Reallocation] = []
    for part in parts:
        found.extend(_splits(book, part_id, part, variants[part.line_id], supply, left))
    await reallocate.apply(session, found, reason=reason or REJECTED, actor=actor)
    units = Counter[int]()
    for part in parts:
        units[variants[part.line_id]] += part.quantity
    await ledger.post(session, _aside(units, here), reference=f"order:{book.order['id']}", actor=actor)
    conflicts.open_conflicts(session, [_case(book, v, here, n, reason) for v, n in units.items()])


async def _elsewhere(
    session: Session,
    book: OrderSnapshot,
    parts: Sequence[FulfillmentPart],
    refused: set[int],
    variants: dict[UUID, int],
) -> dict[int, list[Supply]]:
    """By variant: the locations that could send it. A pickup stays at the store that its customer chose."""
    if parts[0].method is not FulfillmentMethod.SHIP:
        return {}
    wanted = sorted({variants[part.line_id] for part in parts})
    found = await supply_by_variant(session, wanted, channel_id=book.order["channel_id"])
    return {
        variant: [
            Supply(row["location_id"], row["quantity"])
            for row in rows
            if row["ships_orders"] and row["location_id"] not in refused
        ]
        for variant, rows in found.items()
    }


def _splits(
    book: OrderSnapshot,
    part_id: UUID,
    part: FulfillmentPart,
    variant_id: int,
    supply: dict[int, list[Supply]],
    left: dict[tuple[int, int], int],
) -> list[Reallocation]:
    """What becomes of a line's units: all from elsewhere, or all of them wait. Pure but for `left`."""
    places = [
        Supply(s.location_id, max(0, left.get((variant_id, s.location_id), 0))) for s in supply.get(variant_id, ())
    ]
    pieces = assign_units([Demand(0, variant_id, part.quantity)], {variant_id: places}) if places else None
    if not isinstance(pieces, list):
        return [_split(book, part_id, part, variant_id, part.quantity, FulfillmentStatus.BACKORDERED, part.location_id)]
    for piece in pieces:
        left[variant_id, piece.location_id] -= piece.quantity
    return [
        _split(book, part_id, part, variant_id, p.quantity, FulfillmentStatus.ALLOCATED, p.location_id) for p in pieces
    ]


def _split(
    book: OrderSnapshot,
    part_id: UUID,
    part: FulfillmentPart,
    variant_id: int,
    units: int,
    status: FulfillmentStatus,
    location_id: int,
) -> Reallocation:
    return Reallocation(
        fulfillment_id=part_id,
        order_id=book.order["id"],
        order_line_id=part.line_id,
        variant_id=variant_id,
        method=part.method,
        quantity=units,
        status=status,
        location_id=location_id,
        held_at=part.location_id,
    )


def _aside(units: Counter[int], location_id: int) -> list[Movement]:
    return [
        Movement(
            variant_id=variant_id,
            location_id=location_id,
            reason=StockReason.ADJUSTMENT,
            quantity=quantity,
            unavailable=quantity,
            state=StockState.INSPECTION,
        )
        for variant_id, quantity in sorted(units.items())
    ]


def _case(book: OrderSnapshot, variant_id: int, location_id: int, units: int, reason: str | None) -> NewConflict:
    why = f" ({reason})" if reason else ""
    return NewConflict(
        kind=ConflictKind.STOCK_CHECK,
        message=f"{units} units for order {book.order['number']} were not found here{why}. They are put aside until "
        "this shelf is counted.",
        location_id=location_id,
        variant_id=variant_id,
        order_id=book.order["id"],
        quantity=units,
    )


async def resolve_counted(session: Session, *, limit: int = 100) -> int:
    """Shelves that were counted since units were not found there: those are what the count says; how many cases."""
    rows = await session.fetch(_COUNTED, limit)
    for row in rows:
        back = Movement(
            variant_id=row["variant_id"],
            location_id=row["location_id"],
            reason=StockReason.ADJUSTMENT,
            quantity=row["back"],
            unavailable=-row["back"],
            state=StockState.INSPECTION,
        )
        if row["back"]:
            await ledger.post(session, [back], reference=f"conflict:{row['id']}", actor="hub")
        await conflicts.resolve(session, conflict_id=row["id"], actor="hub", note="counted")
    return len(rows)


# No more is put back than still waits for inspection: people may have put it back themselves.
_COUNTED = """
    SELECT c.id, c.variant_id, c.location_id, least(c.quantity, coalesce(u.quantity, 0)) AS back
    FROM conflict c JOIN stock_level l ON (l.variant_id, l.location_id) = (c.variant_id, c.location_id)
    LEFT JOIN stock_unavailable u ON (u.variant_id, u.location_id, u.state)
        = (c.variant_id, c.location_id, 'INSPECTION')
    WHERE c.kind = 'STOCK_CHECK' AND c.status = 'OPEN' AND l.counted_at > c.opened_at
    ORDER BY c.variant_id, c.location_id, c.id LIMIT $1 FOR UPDATE OF c
"""
