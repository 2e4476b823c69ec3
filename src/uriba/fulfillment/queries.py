"""Reads of fulfillments, batched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from uriba.cart.enums import FulfillmentMethod
from uriba.core.actor import Actor
from uriba.db import Row, Session
from uriba.db.rows import column_list, typed_rows
from uriba.db.statements import statement
from uriba.fulfillment.enums import PROMISED
from uriba.inventory import explain
from uriba.inventory import queries as inventory
from uriba.inventory.explain import AvailabilityTerm
from uriba.inventory.queries import LevelKey
from uriba.orders.queries import ORDERED_UNITS, PLACED_ORDERS, VISIBLE_ORDER, visibility


class FulfillmentRow(NamedTuple):
    """A fulfillment. `sourcing`: why its location was chosen."""

    id: UUID
    order_id: UUID
    location_id: int
    method: str
    status: str
    tracking: str | None
    reason: str | None
    pickup_code: str | None
    ready_by: datetime | None
    hold_until: datetime | None
    sourcing: Mapping[str, Any] | None

    def is_work_of(self, location_id: int) -> bool:
        """Return whether the location handles it. Units that were carried out are no work."""
        return self.location_id == location_id and self.method != FulfillmentMethod.CARRY_OUT


class FulfillmentLineRow(NamedTuple):
    """Units of an order line in a fulfillment."""

    fulfillment_id: UUID
    order_line_id: UUID
    quantity: int


_COLUMNS = column_list(FulfillmentRow, "f")


async def work_queue(
    session: Session,
    *,
    location_id: int,
    first: int,
    after: UUID | None,
    statuses: Sequence[str] | None = None,
) -> list[FulfillmentRow]:
    """Return fulfillments of a location, the oldest promise first, one more than `first`.

    `statuses`: None for those that are to be handled.
    """
    rows = await session.fetch(
        _WORK_QUEUE,
        location_id=location_id,
        statuses=list(PROMISED if statuses is None else statuses),
        after=after,
        limit=first + 1,
    )
    return typed_rows(FulfillmentRow, rows)


_WORK_QUEUE = statement(f"""
    SELECT {_COLUMNS} FROM fulfillment f JOIN ({PLACED_ORDERS}) o ON o.order_id = f.order_id
    WHERE f.location_id = :location_id AND f.status = ANY(:statuses)
        AND (:after::uuid IS NULL OR (o.placed_at, f.id) > (
            SELECT p.placed_at, a.id FROM fulfillment a JOIN ({PLACED_ORDERS}) p ON p.order_id = a.order_id
            WHERE a.id = :after
        ))
    ORDER BY o.placed_at, f.id LIMIT :limit
""")


async def by_order(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, list[FulfillmentRow]]:
    found: dict[UUID, list[FulfillmentRow]] = {order_id: [] for order_id in order_ids}
    for fulfillment in typed_rows(FulfillmentRow, await session.fetch(_BY_ORDER, order_ids=order_ids)):
        found[fulfillment.order_id].append(fulfillment)
    return found


_BY_ORDER = statement(f"""
    SELECT {_COLUMNS} FROM fulfillment f WHERE f.order_id = ANY(:order_ids) ORDER BY f.order_id, f.id
""")


async def by_id(session: Session, ids: Sequence[UUID], *, actor: Actor) -> dict[UUID, FulfillmentRow]:
    """Return fulfillments of orders that are the actor's."""
    rows = await session.fetch(_BY_ID, ids=ids, **visibility(actor))
    return {fulfillment.id: fulfillment for fulfillment in typed_rows(FulfillmentRow, rows)}


_BY_ID = statement(f"""
    SELECT {_COLUMNS} FROM fulfillment f WHERE f.id = ANY(:ids) AND {VISIBLE_ORDER.format(order_id="f.order_id")}
""")


async def lines_by_fulfillment(
    session: Session, fulfillment_ids: Sequence[UUID]
) -> dict[UUID, list[FulfillmentLineRow]]:
    """Return the lines of fulfillments, in the order of the order's lines."""
    found: dict[UUID, list[FulfillmentLineRow]] = {fulfillment_id: [] for fulfillment_id in fulfillment_ids}
    for line in typed_rows(FulfillmentLineRow, await session.fetch(_LINES, fulfillment_ids=fulfillment_ids)):
        found[line.fulfillment_id].append(line)
    return found


_LINES = statement(f"""
    SELECT l.fulfillment_id, l.order_line_id, l.quantity
    FROM fulfillment_line l JOIN ({ORDERED_UNITS}) o ON o.order_line_id = l.order_line_id
    WHERE l.fulfillment_id = ANY(:fulfillment_ids) ORDER BY l.fulfillment_id, o.position
""")


async def availability_by_level(session: Session, levels: Sequence[LevelKey]) -> dict[LevelKey, list[AvailabilityTerm]]:
    """Return the terms of what is available at levels, with the promises and holds among them.

    The session must read one snapshot (`Database.snapshot`), so that the terms add up to what is available.
    """
    rows = await inventory.levels_by_key(session, levels)
    states = await explain.states_by_level(session, levels)
    counts = await explain.counts_by_level(session, levels)
    holds = await explain.holds_by_level(session, levels)
    promises = await promises_by_level(session, levels, rows_max=explain.ROWS_MAX)
    return {
        key: explain.availability_terms(
            level, states[key], count=counts.get(key), promises=promises[key], holds=holds[key]
        )
        for key, level in rows.items()
    }


async def promises_by_level(
    session: Session, levels: Sequence[LevelKey], *, rows_max: int
) -> dict[LevelKey, list[Row]]:
    """Return the open fulfillments that commit units of levels (variant, location), the oldest `rows_max` of each.

    Each with its order's number, its units, when the order was placed (`at`), and how many there are (`total`).
    """
    found: dict[LevelKey, list[Row]] = {level: [] for level in levels}
    rows = await session.fetch(
        _PROMISES,
        variant_ids=[variant_id for variant_id, _ in levels],
        location_ids=[location_id for _, location_id in levels],
        rows_max=rows_max,
    )
    for row in rows:
        found[row["variant_id"], row["location_id"]].append(row)
    return found


# The statuses are literals, so that the partial index of open fulfillments can be used.
_PROMISES = statement(f"""
    SELECT * FROM (
        SELECT k.variant_id, k.location_id, f.id, o.number, sum(fl.quantity)::bigint AS quantity, o.placed_at AS at,
            count(*) OVER w AS total, row_number() OVER (w ORDER BY f.id) AS n
        FROM unnest(:variant_ids::bigint[], :location_ids::bigint[]) AS k(variant_id, location_id)
        JOIN fulfillment f ON f.location_id = k.location_id AND f.status IN ({", ".join(f"'{s}'" for s in PROMISED)})
        JOIN fulfillment_line fl ON fl.fulfillment_id = f.id
        JOIN ({ORDERED_UNITS}) l ON l.order_line_id = fl.order_line_id AND l.variant_id = k.variant_id
        JOIN ({PLACED_ORDERS}) o ON o.order_id = f.order_id
        GROUP BY k.variant_id, k.location_id, f.id, o.number, o.placed_at
        WINDOW w AS (PARTITION BY k.variant_id, k.location_id)
    ) promised WHERE n <= :rows_max ORDER BY variant_id, location_id, n
""")
