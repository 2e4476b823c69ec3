"""Payment operations: captures, refunds and voids that were decided, while providers or tills do them."""

from __future__ import annotations

from uuid import UUID

import msgspec

from uriba.conflicts import conflicts
from uriba.conflicts.conflicts import NewConflict
from uriba.conflicts.enums import ConflictKind
from uriba.core.actor import SYSTEM, Actor
from uriba.core.errors import InvalidState, NotFound
from uriba.core.money import Money
from uriba.db import Session
from uriba.db.statements import statement
from uriba.orders import payments, timeline
from uriba.orders.enums import OperationKind, OperationStatus
from uriba.orders.events import PaymentUpdated
from uriba.orders.timeline import TimelineEntry

RETRY_PAUSE_MAX_S = 3_600
"""The longest pause between two tries of one operation."""


class DueOperation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that a provider has to do. `key`: the hub's key of the charge; `reference`: the provider's."""

    id: UUID
    order_id: UUID
    kind: OperationKind
    amount_minor: int
    currency: str
    method: str
    key: str
    reference: str | None


async def claim_due(session: Session, *, order_id: UUID | None = None, limit: int = 50) -> list[DueOperation]:
    """Claim operations that providers have to do now: those that are due, or all of an order's.

    Each claim sets the time of the next try. Of one payment only the oldest operation is claimed, because a refund
    needs the capture before it.
    """
    rows = await session.fetch(_CLAIM, order_id=order_id, limit=limit)
    return [msgspec.convert(dict(row), DueOperation) for row in rows]


_CLAIM = statement(f"""
    UPDATE payment_operation o SET attempts = attempts + 1,
        next_at = now() + make_interval(secs => least({RETRY_PAUSE_MAX_S}, 15 * 2 ^ least(attempts, 12)))
    FROM (
        SELECT DISTINCT ON (c.payment_id) c.id, p.method, p.key, p.reference, r.currency
        FROM payment_operation c JOIN payment p ON p.id = c.payment_id JOIN orders r ON r.id = c.order_id
        WHERE c.status = 'PENDING' AND p.key IS NOT NULL
            AND CASE WHEN :order_id::uuid IS NULL THEN c.next_at <= now() ELSE c.order_id = :order_id END
        ORDER BY c.payment_id, c.id LIMIT :limit
    ) d WHERE o.id = d.id AND o.status = 'PENDING'
    RETURNING o.id, o.order_id, o.kind, o.amount_minor, d.currency, d.method, d.key, d.reference
""")


async def mark_succeeded(session: Session, operation_id: UUID, reference: str | None) -> None:
    """Record that an operation was done. `reference`: the provider's. One that is not pending stays as it is."""
    await session.run(_MARK_SUCCEEDED, operation_id=operation_id, reference=reference)


_MARK_SUCCEEDED = statement("""
    UPDATE payment_operation SET status = 'SUCCEEDED', reference = :reference, settled_at = now()
    WHERE id = :operation_id AND status = 'PENDING'
""")


async def mark_failed(session: Session, operation: DueOperation, reason: str) -> None:
    """Record that the provider refused an operation: take its amount out of the payment's sums and open a conflict."""
    order = await session.fetchrow(_LOCK_ORDER, order_id=operation.order_id)
    assert order is not None
    payment = await session.fetchrow(_MARK_FAILED, operation_id=operation.id, reason=reason)
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
        "reason": reason,
    }
    await timeline.record(session, [TimelineEntry(operation.order_id, PaymentUpdated, data)], actor=SYSTEM.label)
    case = NewConflict(
        kind=ConflictKind.PAYMENT_FAILED,
        message=f"{operation.method} refused to {operation.kind.lower()} {amount} of order {order['number']}: {reason}",
        location_id=order["location_id"],
        order_id=operation.order_id,
    )
    conflicts.open_conflicts(session, [case])


_LOCK_ORDER = statement("SELECT number, location_id FROM orders WHERE id = :order_id FOR UPDATE")

_MARK_FAILED = statement(f"""
    WITH failed AS (
        UPDATE payment_operation SET status = 'FAILED', reference = :reason, settled_at = now()
        WHERE id = :operation_id AND status = 'PENDING' RETURNING payment_id, kind, amount_minor
    ), sums AS (
        SELECT p.id, p.amount_minor, p.captured_minor - CASE WHEN f.kind = 'CAPTURE' THEN f.amount_minor ELSE 0 END
                AS captured_minor,
            p.refunded_minor - CASE WHEN f.kind = 'REFUND' THEN f.amount_minor ELSE 0 END AS refunded_minor,
            p.voided_minor
        FROM payment p JOIN failed f ON f.payment_id = p.id
    )
    UPDATE payment p SET captured_minor = s.captured_minor, refunded_minor = s.refunded_minor, status = s.status
    FROM (SELECT *, {payments.STATUS_OF_SUMS} AS status FROM sums) s WHERE p.id = s.id
    RETURNING p.id, p.method, p.status
""")


async def report_failed_refund(session: Session, provider: str, order_id: UUID) -> None:
    """Open a conflict: a refund that the provider had accepted did not reach the customer."""
    order = await session.fetchrow(_ORDER, order_id=order_id)
    if order is not None:
        case = NewConflict(
            kind=ConflictKind.PAYMENT_FAILED,
            message=f"{provider} could not pay back a refund of order {order['number']}. Refund it in another way.",
            location_id=order["location_id"],
            order_id=order_id,
        )
        conflicts.open_conflicts(session, [case])


_ORDER = statement("SELECT number, location_id FROM orders WHERE id = :order_id")


async def pay_out_cash(session: Session, *, operation_id: UUID, actor: Actor) -> UUID:
    """Record that a till has paid out a refund that waited for it; return the order's id. A repetition does nothing.

    Errors: `NotFound`, `InvalidState` where a provider pays this refund.
    """
    operation = await session.fetchrow(_LOCK_OPERATION, operation_id=operation_id)
    if operation is None or operation["kind"] != OperationKind.REFUND:
        raise NotFound("There is no such refund.", "refundId")
    if operation["key"] is not None:
        raise InvalidState(f"{operation['method']} pays this refund back. Do not pay it out at a till.", "refundId")
    if operation["status"] == OperationStatus.PENDING:
        await mark_succeeded(session, operation_id, actor.label)
    order_id: UUID = operation["order_id"]
    return order_id


_LOCK_OPERATION = statement("""
    SELECT o.order_id, o.kind, o.status, p.key, p.method
    FROM payment_operation o JOIN payment p ON p.id = o.payment_id WHERE o.id = :operation_id FOR UPDATE OF o
""")
