"""Rejections: a location did not find units that it had promised. They come from elsewhere or are back-ordered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from uriba.cart.enums import FulfillmentMethod
from uriba.conflicts import conflicts
from uriba.conflicts.conflicts import NewConflict
from uriba.conflicts.enums import ConflictKind
from uriba.db import Session
from uriba.db.statements import statement
from uriba.fulfillment.allocation import reallocate
from uriba.fulfillment.allocation.reallocate import Reallocation
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.fulfillment.order_snapshot import FulfillmentPart, OrderSnapshot
from uriba.fulfillment.sourcing.selection import Demand, Supply, assign_units
from uriba.inventory import ledger
from uriba.inventory.enums import StockReason, StockState
from uriba.inventory.ledger import Movement
from uriba.inventory.queries import COUNT_TIMES, UNITS_IN_STATE, supply_by_variant

REJECTED = "REJECTED"
"""The reason of the timeline where the caller gives none."""


async def reject(
    session: Session,
    snapshot: OrderSnapshot,
    parts: Sequence[FulfillmentPart],
    *,
    reason: str | None,
    actor: str,
) -> None:
    """Reject all parts of one fulfillment: allocate their units to other locations, or back-order them here.

    The units become unavailable here (inspection) until the shelf is counted, so that nobody is promised them.
    Locations that rejected units of this order before are not used.
    """
    here = parts[0].location_id
    rejecting = {here, *(p.location_id for p in snapshot.parts if p.status is FulfillmentStatus.REJECTED)}
    variant_ids = snapshot.variant_ids()
    supply = await _supply_elsewhere(session, snapshot, parts, rejecting, variant_ids)
    levels = {(variant_id, s.location_id) for variant_id, candidates in supply.items() for s in candidates}
    rows = await ledger.lock_levels(session, levels | {(variant_ids[part.line_id], here) for part in parts})
    available = {level: row.free for level, row in rows.items()}
    reallocations: list[Reallocation] = []
    for part in parts:
        reallocations.extend(_reallocations(snapshot, part, variant_ids[part.line_id], supply, available))
    await reallocate.apply(session, reallocations, reason=reason or REJECTED, actor=actor)
    units = Counter[int]()
    for part in parts:
        units[variant_ids[part.line_id]] += part.quantity
    reference = f"order:{snapshot.order.id}"
    await ledger.post(session, _inspection_movements(units, here), reference=reference, actor=actor)
    conflicts.open_conflicts(
        session, [_stock_check(snapshot, v, here, quantity, reason) for v, quantity in units.items()]
    )


async def _supply_elsewhere(
    session: Session,
    snapshot: OrderSnapshot,
    parts: Sequence[FulfillmentPart],
    rejecting: Collection[int],
    variant_ids: Mapping[UUID, int],
) -> dict[int, list[Supply]]:
    """Return by variant the locations that could send it. A pickup stays at the store that its customer chose."""
    if parts[0].method is not FulfillmentMethod.SHIP:
        return {}
    wanted = sorted({variant_ids[part.line_id] for part in parts})
    rows_by_variant = await supply_by_variant(session, wanted, channel_id=snapshot.order.channel_id)
    return {
        variant_id: [
            Supply(row["location_id"], row["quantity"])
            for row in rows
            if row["ships_orders"] and row["location_id"] not in rejecting
        ]
        for variant_id, rows in rows_by_variant.items()
    }


def _reallocations(
    snapshot: OrderSnapshot,
    part: FulfillmentPart,
    variant_id: int,
    supply: Mapping[int, Sequence[Supply]],
    available: dict[tuple[int, int], int],
) -> list[Reallocation]:
    """Allocate all units of a part to other locations, or back-order all of them. Reduces `available`."""
    candidates = [
        Supply(s.location_id, max(0, available.get((variant_id, s.location_id), 0))) for s in supply.get(variant_id, ())
    ]
    assignments = assign_units([Demand(0, variant_id, part.quantity)], {variant_id: candidates})
    if not isinstance(assignments, list):
        units, status = part.quantity, FulfillmentStatus.BACKORDERED
        return [_reallocation(snapshot, part, variant_id, units, status, part.location_id)]
    for assignment in assignments:
        available[variant_id, assignment.location_id] -= assignment.quantity
    return [
        _reallocation(snapshot, part, variant_id, a.quantity, FulfillmentStatus.ALLOCATED, a.location_id)
        for a in assignments
    ]


def _reallocation(
    snapshot: OrderSnapshot,
    part: FulfillmentPart,
    variant_id: int,
    units: int,
    status: FulfillmentStatus,
    location_id: int,
) -> Reallocation:
    return Reallocation(
        fulfillment_id=part.fulfillment_id,
        order_id=snapshot.order.id,
        order_line_id=part.line_id,
        variant_id=variant_id,
        method=part.method,
        quantity=units,
        status=status,
        location_id=location_id,
        committed_at=part.location_id,
    )


def _inspection_movements(units: Mapping[int, int], location_id: int) -> list[Movement]:
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


def _stock_check(
    snapshot: OrderSnapshot, variant_id: int, location_id: int, units: int, reason: str | None
) -> NewConflict:
    given = f" ({reason})" if reason else ""
    return NewConflict(
        kind=ConflictKind.STOCK_CHECK,
        message=f"{units} units for order {snapshot.order.number} were not found here{given}. They are unavailable "
        "until this shelf is counted.",
        location_id=location_id,
        variant_id=variant_id,
        order_id=snapshot.order.id,
        quantity=units,
    )


async def resolve_counted(session: Session, *, limit: int = 100) -> int:
    """Resolve the stock checks of levels that were counted since; return how many.

    The count has set on hand, so the units that wait for inspection become available again.
    """
    seen = await session.fetch(_COUNTED, ids=None, limit=limit)
    if not seen:
        return 0
    await conflicts.lock_all(session, [row["id"] for row in seen])
    # Read again: another transaction may have resolved them before they were locked.
    rows = await session.fetch(_COUNTED, ids=[row["id"] for row in seen], limit=limit)
    for row in rows:
        movement = Movement(
            variant_id=row["variant_id"],
            location_id=row["location_id"],
            reason=StockReason.ADJUSTMENT,
            quantity=row["units"],
            unavailable=-row["units"],
            state=StockState.INSPECTION,
        )
        if row["units"]:
            await ledger.post(session, [movement], reference=f"conflict:{row['id']}", actor="hub")
        await conflicts.resolve(session, conflict_id=row["id"], actor="hub", note="counted")
    return len(rows)


# Not more than still waits for inspection: people may have made the units available themselves.
_COUNTED = statement(f"""
    SELECT c.id, c.variant_id, c.location_id, least(c.quantity, coalesce(u.quantity, 0)) AS units
    FROM ({conflicts.OPEN_STOCK_CHECKS}) c JOIN ({COUNT_TIMES}) l USING (variant_id, location_id)
    LEFT JOIN ({UNITS_IN_STATE.format(state="'INSPECTION'")}) u USING (variant_id, location_id)
    WHERE l.counted_at > c.opened_at AND (:ids::bigint[] IS NULL OR c.id = ANY(:ids))
    ORDER BY c.variant_id, c.location_id, c.id LIMIT :limit
""")
