"""Returns: what came back is kept as it happened, and linked to what was bought as soon as both are known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from uriba.conflicts import conflicts
from uriba.conflicts.conflicts import NewConflict
from uriba.conflicts.models import ConflictKind
from uriba.core import clock
from uriba.core.actor import SYSTEM
from uriba.core.ids import new_id
from uriba.db import Row, Session
from uriba.orders import timeline
from uriba.orders.events import ReturnCreated
from uriba.orders.timeline import TimelineEntry
from uriba.stored_value import points


class TillReturn(NamedTuple):
    """Goods that came back to a location. `units`: (variant, quantity, fit for sale); `refund_minor`: paid back."""

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
    """Have the returns written; `link_to_sales` finds out what they are of."""
    if not returns:
        return
    columns = list(zip(*(returned[:-1] for returned in returns), strict=True))
    session.defer(_RETURNS, *(list(column) for column in columns))
    lines = [(new_id(), returned.id, *units) for returned in returns for units in returned.units]
    session.defer(_LINES, *(list(column) for column in zip(*lines, strict=True)))


_RETURNS = """
    INSERT INTO order_return (id, location_id, currency, refund_minor, receipt, original_receipt, reference, created_at)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[],
        $8::timestamptz[])
"""
_LINES = """
    INSERT INTO order_return_line (id, return_id, variant_id, quantity, restocked)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::boolean[])
"""


async def receipts_awaiting_sale(session: Session, receipts: Sequence[str]) -> list[str]:
    """Receipts, of these, that returns name whose sale was not known."""
    rows = await session.fetch(
        "SELECT DISTINCT original_receipt FROM order_return WHERE order_id IS NULL AND original_receipt = ANY($1)",
        receipts,
    )
    return [row["original_receipt"] for row in rows]


async def link_to_sales(session: Session, receipts: Sequence[str], *, actor: str) -> int:
    """Link returns that name these receipts (or order numbers) to their sales; how many.

    Of equal receipts the one of the same location is meant, else the only one there is. More than was bought, or paid,
    stays unlinked, for people to look at. What an order ends with is the same in whatever order its returns come.
    """
    returns = await session.fetch(_WAITING, receipts)
    orders = await session.fetch(_ORDERS, receipts) if returns else []
    meant = {r["id"]: order for r in returns if (order := _meant(r, orders)) is not None}
    if not meant:
        return 0
    bought = await _grouped(session, _BOUGHT, "order_id", {order["id"] for order in meant.values()})
    brought = await _grouped(session, _BROUGHT, "return_id", meant)
    linked = [returned for returned in returns if returned["id"] in meant]
    matched = _match(linked, meant, bought, brought)
    session.defer("DELETE FROM order_return_line WHERE id = ANY($1)", [m.was for m in matched])
    await _write(session, linked, meant, matched, actor=actor)
    told = [
        TimelineEntry(meant[r["id"]]["id"], ReturnCreated, {"return": str(r["id"]), "refundMinor": r["refund_minor"]})
        for r in linked
    ]
    await timeline.record(session, told, actor=actor)
    conflicts.open_conflicts(session, [case for r in linked for case in _mismatches(r, meant[r["id"]], matched)])
    return len(linked)


_WAITING = """
    SELECT * FROM order_return WHERE order_id IS NULL AND original_receipt = ANY($1) ORDER BY created_at, id FOR UPDATE
"""
_ORDERS = """
    SELECT id, receipt, number, location_id, currency FROM orders
    WHERE id IN (SELECT id FROM orders WHERE receipt = ANY($1) UNION SELECT id FROM orders WHERE number = ANY($1))
        AND status <> 'CANCELLED'
    ORDER BY id FOR UPDATE
"""
_BOUGHT = """
    SELECT id, order_id, variant_id, quantity - cancelled_quantity - returned_quantity AS left
    FROM order_line WHERE order_id = ANY($1) ORDER BY order_id, position
"""
_BROUGHT = """
    SELECT id, return_id, variant_id, quantity, restocked FROM order_return_line
    WHERE return_id = ANY($1) AND order_line_id IS NULL ORDER BY return_id, id
"""


def _meant(returned: Row, orders: Sequence[Row]) -> Row | None:
    """The sale that a return names, if it can only be one."""
    receipt = returned["original_receipt"]
    found = [o for o in orders if receipt in (o["receipt"], o["number"]) and o["currency"] == returned["currency"]]
    here = [order for order in found if order["location_id"] == returned["location_id"]]
    return here[0] if len(here) == 1 else found[0] if len(found) == 1 else None


async def _grouped(session: Session, sql: str, by: str, keys: Iterable[UUID]) -> defaultdict[UUID, list[Row]]:
    found: defaultdict[UUID, list[Row]] = defaultdict(list)
    for row in await session.fetch(sql, list(keys)):
        found[row[by]].append(row)
    return found


class _Matched(NamedTuple):
    """Units that came back, as part of a line that was bought, or of none; `was`: the line that told of them."""

    was: UUID
    return_id: UUID
    order_line_id: UUID | None
    variant_id: int
    quantity: int
    restocked: bool


def _match(
    returns: Sequence[Row],
    meant: Mapping[UUID, Row],
    bought: Mapping[UUID, list[Row]],
    brought: Mapping[UUID, list[Row]],
) -> list[_Matched]:
    """Give units that came back to lines that were bought, while any of those are left. Pure."""
    left = {line["id"]: line["left"] for lines in bought.values() for line in lines}
    matched = []
    for returned in returns:
        for line in brought.get(returned["id"], ()):
            units = line["quantity"]
            for sold in bought.get(meant[returned["id"]]["id"], ()):
                if sold["variant_id"] == line["variant_id"] and (taken := min(units, left[sold["id"]])):
                    left[sold["id"]] -= taken
                    units -= taken
                    matched.append(_matched(line, sold["id"], taken))
            if units:
                matched.append(_matched(line, None, units))
    return matched


def _matched(line: Row, order_line_id: UUID | None, quantity: int) -> _Matched:
    return _Matched(line["id"], line["return_id"], order_line_id, line["variant_id"], quantity, line["restocked"])


async def _write(
    session: Session, linked: Sequence[Row], meant: Mapping[UUID, Row], matched: Sequence[_Matched], *, actor: str
) -> None:
    lines = [(new_id(), m.return_id, m.variant_id, m.quantity, m.restocked, m.order_line_id) for m in matched]
    session.defer(_MATCHED, *(list(column) for column in zip(*lines, strict=True)))
    session.defer(
        "UPDATE order_return r SET order_id = u.order_id FROM unnest($1::uuid[], $2::uuid[]) AS u(id, order_id) "
        "WHERE r.id = u.id",
        [r["id"] for r in linked],
        [meant[r["id"]]["id"] for r in linked],
    )
    back = Counter[UUID]()
    for m in matched:
        if m.order_line_id is not None:
            back[m.order_line_id] += m.quantity
    session.defer(
        "UPDATE order_line l SET returned_quantity = returned_quantity + u.units "
        "FROM unnest($1::uuid[], $2::bigint[]) AS u(id, units) WHERE l.id = u.id",
        list(back),
        list(back.values()),
    )
    paid_back = Counter[UUID]()
    for returned in linked:
        paid_back[meant[returned["id"]]["id"]] += returned["refund_minor"]
    await session.flush()
    await session.run(_REFUND, list(paid_back), list(paid_back.values()), actor)
    for order_id in await points.orders_that_earned(session, list(paid_back)):
        await points.reverse(session, order_id=order_id, refunded_minor=paid_back[order_id], actor=actor)


_MATCHED = """
    INSERT INTO order_return_line (id, return_id, variant_id, quantity, restocked, order_line_id)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::boolean[], $6::uuid[])
"""

# Never more than was paid; of several payments the first is given back first.
_REFUND = """
    WITH due AS (
        SELECT o.id, least(o.total_minor - o.refunded_minor, u.amount) AS amount
        FROM orders o JOIN unnest($1::uuid[], $2::bigint[]) AS u(id, amount) ON u.id = o.id
    ), paid AS (
        SELECT p.id, p.order_id, p.captured_minor, p.refunded_minor, greatest(0, least(
            p.captured_minor - p.refunded_minor, due.amount - (sum(p.captured_minor - p.refunded_minor)
                OVER (PARTITION BY p.order_id ORDER BY p.id) - (p.captured_minor - p.refunded_minor)))) AS amount
        FROM payment p JOIN due ON due.id = p.order_id
    ), moved AS (
        INSERT INTO payment_operation (id, order_id, payment_id, kind, amount_minor, status, reason, actor, settled_at)
        SELECT gen_random_uuid(), order_id, id, 'REFUND', amount, 'SUCCEEDED', 'RETURNED', $3, now()
        FROM paid WHERE amount > 0
    ), given AS (
        UPDATE payment p SET refunded_minor = p.refunded_minor + paid.amount,
            status = CASE WHEN p.refunded_minor + paid.amount = p.captured_minor THEN 'REFUNDED'
                ELSE 'PARTIALLY_REFUNDED' END
        FROM paid WHERE p.id = paid.id AND paid.amount > 0
    ), sums AS (
        SELECT order_id, sum(amount) AS amount FROM paid GROUP BY 1 HAVING sum(amount) > 0
    )
    UPDATE orders o SET refunded_minor = o.refunded_minor + s.amount,
        payment_status = CASE WHEN o.payment_status = 'AUTHORIZED' THEN o.payment_status
            WHEN o.refunded_minor + s.amount = o.total_minor THEN 'REFUNDED' ELSE 'PARTIALLY_REFUNDED' END
    FROM sums s WHERE o.id = s.order_id
"""


def _mismatches(returned: Row, order: Row, matched: Sequence[_Matched]) -> Iterator[NewConflict]:
    if units := sum(m.quantity for m in matched if m.return_id == returned["id"] and m.order_line_id is None):
        yield NewConflict(
            kind=ConflictKind.RETURN_MISMATCH,
            message=f"{units} units came back that order {order['number']} did not have, or that had come back before.",
            location_id=returned["location_id"],
            order_id=order["id"],
            quantity=units,
        )


async def link_waiting(session: Session, *, limit: int = 200) -> int:
    """Link returns whose sale is known by now; how many.

    A sale finds the returns that wait for it, and a return its sale; two tills that tell of them at the same moment may
    miss each other. So only the returns of the last hour are looked at.
    """
    since = UUID(int=int((clock.now().timestamp() - RECENT_S) * 1000) << 80)
    rows = await session.fetch(_RECENT, since, limit)
    return await link_to_sales(session, [r["original_receipt"] for r in rows], actor=SYSTEM.label) if rows else 0


RECENT_S = 3_600

# Ids of returns are ordered by time.
_RECENT = """
    SELECT DISTINCT r.original_receipt FROM order_return r CROSS JOIN LATERAL (
        SELECT count(*) AS all, count(*) FILTER (WHERE o.location_id = r.location_id) AS here FROM orders o
        WHERE (o.receipt = r.original_receipt OR o.number = r.original_receipt) AND o.currency = r.currency
            AND o.status <> 'CANCELLED'
    ) meant WHERE r.id > $1 AND r.order_id IS NULL AND (meant.here = 1 OR meant.all = 1) LIMIT $2
"""
