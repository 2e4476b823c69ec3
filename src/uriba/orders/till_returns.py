"""Returns of tills: written as they happened, and linked to their sale as soon as both are known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from uriba.conflicts import conflicts
from uriba.conflicts.conflicts import NewConflict
from uriba.conflicts.enums import ConflictKind
from uriba.core import clock
from uriba.core.actor import SYSTEM
from uriba.core.ids import new_id
from uriba.db import Row, Session
from uriba.db.statements import statement
from uriba.orders import lifecycle, timeline
from uriba.orders.events import ReturnCreated
from uriba.orders.timeline import TimelineEntry
from uriba.stored_value import points

RECENT_S = 3_600
"""The age of returns that the sweep `link_recent` looks at."""


class TillReturn(NamedTuple):
    """A return as a till reports it. `units`: (variant, quantity, whether it can be sold again).

    `original_receipt`: the number of the sale's receipt, or the order's number.
    """

    id: UUID
    location_id: int
    currency: str
    refund_minor: int
    receipt: str | None
    original_receipt: str | None
    reference: str
    created_at: datetime
    units: Sequence[tuple[int, int, bool]]


def record_returns(session: Session, returns: Sequence[TillReturn]) -> None:
    """Defer writing the returns; `link_to_sales` finds their sales."""
    if not returns:
        return
    session.defer(
        _INSERT_RETURNS,
        ids=[r.id for r in returns],
        location_ids=[r.location_id for r in returns],
        currencies=[r.currency for r in returns],
        refunds_minor=[r.refund_minor for r in returns],
        receipts=[r.receipt for r in returns],
        original_receipts=[r.original_receipt for r in returns],
        references=[r.reference for r in returns],
        created_at=[r.created_at for r in returns],
    )
    lines = [(r.id, *units) for r in returns for units in r.units]
    session.defer(
        _INSERT_LINES,
        ids=[new_id() for _ in lines],
        return_ids=[return_id for return_id, _, _, _ in lines],
        variant_ids=[variant_id for _, variant_id, _, _ in lines],
        quantities=[quantity for _, _, quantity, _ in lines],
        restocked=[restocked for _, _, _, restocked in lines],
    )


_INSERT_RETURNS = statement("""
    INSERT INTO order_return (id, location_id, currency, refund_minor, receipt, original_receipt, reference, created_at)
    SELECT * FROM unnest(:ids::uuid[], :location_ids::bigint[], :currencies::text[], :refunds_minor::bigint[],
        :receipts::text[], :original_receipts::text[], :references::text[], :created_at::timestamptz[])
""")

_INSERT_LINES = statement("""
    INSERT INTO order_return_line (id, return_id, variant_id, quantity, restocked)
    SELECT * FROM unnest(:ids::uuid[], :return_ids::uuid[], :variant_ids::bigint[], :quantities::bigint[],
        :restocked::boolean[])
""")


async def receipts_awaiting_sale(session: Session, receipts: Sequence[str]) -> list[str]:
    """Return those of the receipts that returns without a known sale name."""
    rows = await session.fetch(_AWAITING_SALE, receipts=receipts)
    return [row["original_receipt"] for row in rows]


_AWAITING_SALE = statement("""
    SELECT DISTINCT original_receipt FROM order_return WHERE order_id IS NULL AND original_receipt = ANY(:receipts)
""")


async def link_to_sales(session: Session, receipts: Sequence[str], *, actor: str) -> int:
    """Link the returns that name these receipts (or order numbers) to their sales; return how many were linked.

    Of several sales with the same receipt, the one of the return's location is meant. Units beyond those that were
    bought stay without an order line and open a conflict; refunds beyond what was paid are not counted. The result for
    an order is the same in whatever order its returns arrive.
    """
    returns = await session.fetch(_LOCK_UNLINKED, receipts=receipts)
    orders = await session.fetch(_LOCK_SALES, receipts=receipts) if returns else []
    sales = {r["id"]: sale for r in returns if (sale := _sale_of(r, orders)) is not None}
    if not sales:
        return 0
    sold = await session.fetch(_SOLD_LINES, order_ids=[sale["id"] for sale in sales.values()])
    returned = await session.fetch(_RETURNED_LINES, return_ids=list(sales))
    linked = [r for r in returns if r["id"] in sales]
    matched = _match(linked, sales, sold, returned)
    await _write(session, linked, sales, matched, actor=actor)
    entries = [
        TimelineEntry(sales[r["id"]]["id"], ReturnCreated, {"return": str(r["id"]), "refundMinor": r["refund_minor"]})
        for r in linked
    ]
    await timeline.record(session, entries, actor=actor)
    conflicts.open_conflicts(session, [case for r in linked for case in _mismatches(r, sales[r["id"]], matched)])
    return len(linked)


_LOCK_UNLINKED = statement("""
    SELECT id, location_id, currency, refund_minor, original_receipt FROM order_return
    WHERE order_id IS NULL AND original_receipt = ANY(:receipts) ORDER BY created_at, id FOR UPDATE
""")

_LOCK_SALES = statement("""
    SELECT id, receipt, number, location_id, currency FROM orders
    WHERE id IN (
        SELECT id FROM orders WHERE receipt = ANY(:receipts) UNION SELECT id FROM orders WHERE number = ANY(:receipts)
    ) AND status <> 'CANCELLED'
    ORDER BY id FOR UPDATE
""")

_SOLD_LINES = statement("""
    SELECT id, order_id, variant_id, quantity - cancelled_quantity - returned_quantity AS left
    FROM order_line WHERE order_id = ANY(:order_ids) ORDER BY order_id, position
""")

_RETURNED_LINES = statement("""
    SELECT id, return_id, variant_id, quantity, restocked FROM order_return_line
    WHERE return_id = ANY(:return_ids) AND order_line_id IS NULL ORDER BY return_id, id
""")


def _sale_of(till_return: Row, orders: Sequence[Row]) -> Row | None:
    """Return the sale that a return names; None where there is none, or where several could be meant."""
    receipt, currency = till_return["original_receipt"], till_return["currency"]
    found = [o for o in orders if receipt in (o["receipt"], o["number"]) and o["currency"] == currency]
    same_location = [order for order in found if order["location_id"] == till_return["location_id"]]
    return same_location[0] if len(same_location) == 1 else found[0] if len(found) == 1 else None


class _MatchedUnits(NamedTuple):
    """Returned units that belong to a line of the sale, or to none. They replace the line `unmatched_id`."""

    unmatched_id: UUID
    return_id: UUID
    order_line_id: UUID | None
    variant_id: int
    quantity: int
    restocked: bool


def _match(
    returns: Sequence[Row], sales: Mapping[UUID, Row], sold_lines: Sequence[Row], returned_lines: Sequence[Row]
) -> list[_MatchedUnits]:
    """Match returned units to lines of their sale, as long as units of those are left. Pure."""
    lines_of_sale: defaultdict[UUID, list[Row]] = defaultdict(list)
    for sold in sold_lines:
        lines_of_sale[sold["order_id"]].append(sold)
    lines_of_return: defaultdict[UUID, list[Row]] = defaultdict(list)
    for line in returned_lines:
        lines_of_return[line["return_id"]].append(line)
    left = {sold["id"]: sold["left"] for sold in sold_lines}
    matched = []
    for till_return in returns:
        for line in lines_of_return[till_return["id"]]:
            units = line["quantity"]
            for sold in lines_of_sale[sales[till_return["id"]]["id"]]:
                if sold["variant_id"] == line["variant_id"] and (part := min(units, left[sold["id"]])):
                    left[sold["id"]] -= part
                    units -= part
                    matched.append(_matched_units(line, sold["id"], part))
            if units:
                matched.append(_matched_units(line, None, units))
    return matched


def _matched_units(line: Row, order_line_id: UUID | None, quantity: int) -> _MatchedUnits:
    return _MatchedUnits(line["id"], line["return_id"], order_line_id, line["variant_id"], quantity, line["restocked"])


async def _write(
    session: Session,
    linked: Sequence[Row],
    sales: Mapping[UUID, Row],
    matched: Sequence[_MatchedUnits],
    *,
    actor: str,
) -> None:
    session.defer(_DELETE_UNMATCHED, line_ids=[m.unmatched_id for m in matched])
    session.defer(
        _INSERT_MATCHED,
        ids=[new_id() for _ in matched],
        return_ids=[m.return_id for m in matched],
        variant_ids=[m.variant_id for m in matched],
        quantities=[m.quantity for m in matched],
        restocked=[m.restocked for m in matched],
        order_line_ids=[m.order_line_id for m in matched],
    )
    session.defer(_LINK, ids=[r["id"] for r in linked], order_ids=[sales[r["id"]]["id"] for r in linked])
    returned = Counter[UUID]()
    for m in matched:
        if m.order_line_id is not None:
            returned[m.order_line_id] += m.quantity
    lifecycle.count_returned(session, returned)
    refunded = Counter[UUID]()
    for till_return in linked:
        refunded[sales[till_return["id"]]["id"]] += till_return["refund_minor"]
    await session.flush()
    await session.run(_REFUND, order_ids=list(refunded), amounts=list(refunded.values()), actor=actor)
    for order_id in await points.orders_that_earned(session, list(refunded)):
        await points.reverse(session, order_id=order_id, refunded_minor=refunded[order_id], actor=actor)


_DELETE_UNMATCHED = statement("DELETE FROM order_return_line WHERE id = ANY(:line_ids)")

_INSERT_MATCHED = statement("""
    INSERT INTO order_return_line (id, return_id, variant_id, quantity, restocked, order_line_id)
    SELECT * FROM unnest(:ids::uuid[], :return_ids::uuid[], :variant_ids::bigint[], :quantities::bigint[],
        :restocked::boolean[], :order_line_ids::uuid[])
""")

_LINK = statement("""
    UPDATE order_return r SET order_id = u.order_id FROM unnest(:ids::uuid[], :order_ids::uuid[]) AS u(id, order_id)
    WHERE r.id = u.id
""")

# Never more than was paid. Of several payments the first one is refunded first.
_REFUND = statement("""
    WITH due AS (
        SELECT o.id, least(o.total_minor - o.refunded_minor, u.amount) AS amount
        FROM orders o JOIN unnest(:order_ids::uuid[], :amounts::bigint[]) AS u(id, amount) ON u.id = o.id
    ), parts AS (
        SELECT p.id, p.order_id, p.captured_minor, p.refunded_minor, greatest(0, least(
            p.captured_minor - p.refunded_minor, due.amount - (sum(p.captured_minor - p.refunded_minor)
                OVER (PARTITION BY p.order_id ORDER BY p.id) - (p.captured_minor - p.refunded_minor)))) AS amount
        FROM payment p JOIN due ON due.id = p.order_id
    ), operations AS (
        INSERT INTO payment_operation (id, order_id, payment_id, kind, amount_minor, status, reason, actor, settled_at)
        SELECT gen_random_uuid(), order_id, id, 'REFUND', amount, 'SUCCEEDED', 'RETURNED', :actor, now()
        FROM parts WHERE amount > 0
    ), payments AS (
        UPDATE payment p SET refunded_minor = p.refunded_minor + parts.amount,
            status = CASE WHEN p.refunded_minor + parts.amount = p.captured_minor THEN 'REFUNDED'
                ELSE 'PARTIALLY_REFUNDED' END
        FROM parts WHERE p.id = parts.id AND parts.amount > 0
    ), sums AS (
        SELECT order_id, sum(amount) AS amount FROM parts GROUP BY 1 HAVING sum(amount) > 0
    )
    UPDATE orders o SET refunded_minor = o.refunded_minor + s.amount,
        payment_status = CASE WHEN o.payment_status = 'AUTHORIZED' THEN o.payment_status
            WHEN o.refunded_minor + s.amount = o.total_minor THEN 'REFUNDED' ELSE 'PARTIALLY_REFUNDED' END
    FROM sums s WHERE o.id = s.order_id
""")


def _mismatches(till_return: Row, order: Row, matched: Sequence[_MatchedUnits]) -> Iterator[NewConflict]:
    units = sum(m.quantity for m in matched if m.return_id == till_return["id"] and m.order_line_id is None)
    if units:
        yield NewConflict(
            kind=ConflictKind.RETURN_MISMATCH,
            message=f"{units} returned units are not part of order {order['number']}, or were returned before.",
            location_id=till_return["location_id"],
            order_id=order["id"],
            quantity=units,
        )


async def link_recent(session: Session, *, limit: int = 200) -> int:
    """Link returns of the last hour whose sale is known by now; return how many were linked.

    A sale links the returns that wait for it, and a return links its sale. Two tills that report them at the same
    moment may miss each other, which is what this sweep repairs.
    """
    # Ids are ordered by time.
    since = UUID(int=int((clock.now().timestamp() - RECENT_S) * 1000) << 80)
    rows = await session.fetch(_RECENT, since=since, limit=limit)
    if not rows:
        return 0
    return await link_to_sales(session, [row["original_receipt"] for row in rows], actor=SYSTEM.label)


_RECENT = statement("""
    SELECT DISTINCT r.original_receipt FROM order_return r CROSS JOIN LATERAL (
        SELECT count(*) AS all, count(*) FILTER (WHERE o.location_id = r.location_id) AS same_location FROM orders o
        WHERE (o.receipt = r.original_receipt OR o.number = r.original_receipt) AND o.currency = r.currency
            AND o.status <> 'CANCELLED'
    ) sales
    WHERE r.id > :since AND r.order_id IS NULL AND (sales.same_location = 1 OR sales.all = 1) LIMIT :limit
""")
