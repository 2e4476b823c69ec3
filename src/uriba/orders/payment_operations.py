"""Operations: money that was decided to move, while it is being moved."""

from __future__ import annotations

from uuid import UUID

import msgspec

from uriba.conflicts import conflicts
from uriba.conflicts.conflicts import NewConflict
from uriba.conflicts.models import ConflictKind
from uriba.core.actor import SYSTEM, Actor
from uriba.core.errors import InvalidState, NotFound
from uriba.core.money import Money
from uriba.db import Row, Session
from uriba.orders import payments, timeline
from uriba.orders.events import PaymentUpdated
from uriba.orders.models import OperationKind
from uriba.orders.timeline import TimelineEntry

MOST_PAUSE_S = 3_600
"""Between two tries of one operation."""


class DueOperation(msgspec.Struct, frozen=True, kw_only=True):
    """Money that a provider is to move; `key` is the hub's of the charge, `reference` the provider's."""

    id: UUID
    order_id: UUID
    kind: OperationKind
    amount_minor: int
    currency: str
    method: str
    key: str
    reference: str | None


async def claim_due(session: Session, *, order_id: UUID | None = None, limit: int = 50) -> list[DueOperation]:
    """Take operations that providers are to do now: those that are due, or all of an order's. Each comes back later.

    Of one payment only the oldest is taken: what was captured first can be refunded then.
    """
    rows = await session.fetch(_TAKE, order_id, limit)
    return [msgspec.convert(dict(row), DueOperation) for row in rows]


_TAKE = f"""
    UPDATE payment_operation o SET attempts = attempts + 1,
        next_at = now() + make_interval(secs => least({MOST_PAUSE_S}, 15 * 2 ^ least(attempts, 12)))
    FROM (
        SELECT DISTINCT ON (c.payment_id) c.id, p.method, p.key, p.reference, r.currency
        FROM payment_operation c JOIN payment p ON p.id = c.payment_id JOIN orders r ON r.id = c.order_id
        WHERE c.status = 'PENDING' AND p.key IS NOT NULL AND CASE WHEN $1::uuid IS NULL THEN c.next_at <= now()
            ELSE c.order_id = $1 END
        ORDER BY c.payment_id, c.id LIMIT $2
    ) d WHERE o.id = d.id AND o.status = 'PENDING'
    RETURNING o.id, o.order_id, o.kind, o.amount_minor, d.currency, d.method, d.key, d.reference
"""


async def mark_succeeded(session: Session, operation_id: UUID, reference: str | None) -> None:
    """The provider has done it. Does nothing where that is known."""
    await session.run(
        "UPDATE payment_operation SET status = 'SUCCEEDED', reference = $2, settled_at = now() "
        "WHERE id = $1 AND status = 'PENDING'",
        operation_id,
        reference,
    )


async def mark_failed(session: Session, operation: DueOperation, why: str) -> None:
    """The provider will not do it: the payment is what it was before it was decided, and people are told."""
    order = await session.fetchrow(
        "SELECT id, number, currency, location_id FROM orders WHERE id = $1 FOR UPDATE", operation.order_id
    )
    assert order is not None
    payment = await session.fetchrow(_UNDO, operation.id, why)
    if payment is None:
        return
    await payments.update_order_totals(session, operation.order_id)
    amount = Money(operation.amount_minor, operation.currency)
    data = {
        "payment": str(payment["id"]),
        "method": payment["method"],
        "status": payment["status"],
        "failed": operation.kind,
        "amount": {"amountMinor": operation.amount_minor, "currency": operation.currency},
        "reason": why,
    }
    await timeline.record(session, [TimelineEntry(operation.order_id, PaymentUpdated, data)], actor=SYSTEM.label)
    case = NewConflict(
        kind=ConflictKind.PAYMENT_FAILED,
        message=f"{operation.method} refused to {operation.kind.lower()} {amount} of order {order['number']}: {why}",
        location_id=order["location_id"],
        order_id=operation.order_id,
    )
    conflicts.open_conflicts(session, [case])


async def report_failed_refund(session: Session, provider: str, order_id: UUID) -> None:
    """A provider could not give back what it had promised to: people find another way."""
    order = await session.fetchrow("SELECT id, number, location_id FROM orders WHERE id = $1", order_id)
    if order is not None:
        case = NewConflict(
            kind=ConflictKind.PAYMENT_FAILED,
            message=f"A refund of order {order['number']} did not arrive, says {provider}: pay it back another way.",
            location_id=order["location_id"],
            order_id=order["id"],
        )
        conflicts.open_conflicts(session, [case])


_UNDO = f"""
    WITH undone AS (
        UPDATE payment_operation SET status = 'FAILED', reference = $2, settled_at = now()
        WHERE id = $1 AND status = 'PENDING' RETURNING payment_id, kind, amount_minor
    ), sums AS (
        SELECT p.id, p.amount_minor, p.captured_minor - CASE WHEN u.kind = 'CAPTURE' THEN u.amount_minor ELSE 0 END
                AS captured_minor,
            p.refunded_minor - CASE WHEN u.kind = 'REFUND' THEN u.amount_minor ELSE 0 END AS refunded_minor,
            p.voided_minor
        FROM payment p JOIN undone u ON u.payment_id = p.id
    )
    UPDATE payment p SET captured_minor = s.captured_minor, refunded_minor = s.refunded_minor, status = s.status
    FROM (SELECT *, {payments.STATUS} AS status FROM sums) s WHERE p.id = s.id RETURNING p.*
"""


async def pay_out_cash(session: Session, *, operation_id: UUID, actor: Actor) -> Row:
    """A till has paid cash out that waited for it; the operation's row. Again: nothing more.

    Errors: `NotFound`, `InvalidState` where no till is to pay this.
    """
    row = await session.fetchrow(
        "SELECT o.*, p.key, p.method FROM payment_operation o JOIN payment p ON p.id = o.payment_id "
        "WHERE o.id = $1 FOR UPDATE OF o",
        operation_id,
    )
    if row is None or row["kind"] != OperationKind.REFUND:
        raise NotFound("There is no such refund.", "refundId")
    if row["key"] is not None:
        raise InvalidState(f"{row['method']} pays this back, no till does.", "refundId")
    if row["status"] == "PENDING":
        await session.run(
            "UPDATE payment_operation SET status = 'SUCCEEDED', reference = $2, settled_at = now() WHERE id = $1",
            operation_id,
            actor.label,
        )
    return row


async def refunds_by_order(session: Session, order_ids: list[UUID]) -> dict[UUID, list[Row]]:
    """Refunds of orders, oldest first."""
    found: dict[UUID, list[Row]] = {order_id: [] for order_id in order_ids}
    rows = await session.fetch(
        "SELECT o.id, o.order_id, o.amount_minor, o.status, o.reason, o.created_at, o.settled_at, p.method, r.currency "
        "FROM payment_operation o JOIN payment p ON p.id = o.payment_id JOIN orders r ON r.id = o.order_id "
        "WHERE o.order_id = ANY($1) AND o.kind = 'REFUND' ORDER BY o.order_id, o.id",
        order_ids,
    )
    for row in rows:
        found[row["order_id"]].append(row)
    return found
