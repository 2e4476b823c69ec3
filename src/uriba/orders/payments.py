"""The money of an order: captures, refunds and voids are decided here and done by payment operations.

The caller has locked the order. The sums of a payment include an amount from the moment it is decided, so nothing is
refunded twice, and never more than was captured. Providers, and tills that pay out cash, move the money afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from uriba.core.ids import new_id
from uriba.db import Row, Session
from uriba.db.statements import fragment, statement
from uriba.orders import timeline
from uriba.orders.enums import OperationKind, OperationStatus
from uriba.orders.events import PaymentUpdated
from uriba.orders.locks import LockedOrder
from uriba.orders.timeline import TimelineEntry
from uriba.stored_value import points, tenders


class PaymentReason(StrEnum):
    """Why a payment operation was decided."""

    CANCELLED = "CANCELLED"
    EXCHANGED = "EXCHANGED"
    RETURNED = "RETURNED"
    SHIPPED = "SHIPPED"


@dataclass(frozen=True, slots=True)
class _NewOperation:
    """A payment operation that is decided now."""

    id: UUID
    payment: Row
    kind: OperationKind
    amount_minor: int
    status: OperationStatus

    @property
    def by_hand(self) -> bool:
        """Whether a till pays it out: cash, and methods that no provider and no ledger of the hub knows."""
        return self.payment["key"] is None and not _is_stored_value(self.payment)

    @property
    def voids_all(self) -> bool:
        """Whether it voids a charge completely. Nothing is voided at the provider of a charge that was captured."""
        payment = self.payment
        voided = payment["voided_minor"] + self.amount_minor
        return not payment["captured_minor"] and bool(voided == payment["amount_minor"])


async def refund(
    session: Session,
    order: LockedOrder,
    amount_minor: int,
    *,
    reason: PaymentReason,
    actor: str,
    at_till: bool = False,
    return_id: UUID | None = None,
) -> int:
    """Give an amount back to the tenders that paid, the last one first; return the amount that is refunded.

    What is only authorized is voided before anything is refunded. Never more than was paid. `at_till`: cash is paid out
    now; else it waits for a till.
    """
    locked = await _lock_payments(session, order.id)
    operations: list[_NewOperation] = []
    left = amount_minor
    for kind in (OperationKind.VOID, OperationKind.REFUND):
        for payment in reversed(locked):
            available = (
                _authorized_minor(payment)
                if kind is OperationKind.VOID
                else payment["captured_minor"] - payment["refunded_minor"]
            )
            if (part := min(left, available)) > 0:
                left -= part
                operations.append(_new_operation(payment, kind, part, at_till))
    await _write(session, order, operations, reason=reason, actor=actor, return_id=return_id)
    await _refund_stored_value(session, order, operations, actor)
    given_back = sum(operation.amount_minor for operation in operations)
    await points.reverse(session, order_id=order.id, refunded_minor=given_back, actor=actor)
    return sum(operation.amount_minor for operation in operations if operation.kind is OperationKind.REFUND)


async def apply_to_exchange(
    session: Session, order: LockedOrder, amount_minor: int, *, actor: str, return_id: UUID
) -> None:
    """Use an amount that was paid for an order to pay for the order that its goods are exchanged for.

    The payments count it as refunded; no provider moves money.
    """
    operations: list[_NewOperation] = []
    left = amount_minor
    for payment in reversed(await _lock_payments(session, order.id)):
        if (part := min(left, payment["captured_minor"] - payment["refunded_minor"])) > 0:
            left -= part
            operations.append(_NewOperation(new_id(), payment, OperationKind.REFUND, part, OperationStatus.SUCCEEDED))
    await _write(session, order, operations, reason=PaymentReason.EXCHANGED, actor=actor, return_id=return_id)
    await points.reverse(session, order_id=order.id, refunded_minor=amount_minor - left, actor=actor)


async def capture(session: Session, order: LockedOrder, *, leave_minor: int, actor: str) -> None:
    """Capture what is authorized, except for an amount that is not due yet.

    Of a payment whose provider captures only once, capture everything.
    """
    operations: list[_NewOperation] = []
    locked = await _lock_payments(session, order.id)
    left = sum(map(_authorized_minor, locked)) - leave_minor
    for payment in locked:
        authorized = _authorized_minor(payment)
        part = authorized if payment["capture_once"] and left > 0 else min(left, authorized)
        if part > 0:
            left -= part
            operations.append(_new_operation(payment, OperationKind.CAPTURE, part, at_till=False))
    await _write(session, order, operations, reason=PaymentReason.SHIPPED, actor=actor, return_id=None)


async def paid_minor(session: Session, order_id: UUID) -> int:
    """Return what the order has been paid, less what was refunded or voided. Authorized amounts count as paid."""
    paid: int = await session.fetchval(_PAID, order_id=order_id)
    return paid


_PAID = statement("""
    SELECT coalesce(sum(amount_minor - voided_minor - refunded_minor), 0)::bigint FROM payment
    WHERE order_id = :order_id
""")


def _is_stored_value(payment: Row) -> bool:
    """Return whether a ledger of the hub has paid it: a gift card or points."""
    return tenders.is_in_ledger(payment["method"], payment["reference"])


def _authorized_minor(payment: Row) -> int:
    """Return what is authorized and neither captured nor voided."""
    return int(payment["amount_minor"] - payment["captured_minor"] - payment["voided_minor"])


def _new_operation(payment: Row, kind: OperationKind, amount_minor: int, at_till: bool) -> _NewOperation:
    done = payment["key"] is None and (at_till or _is_stored_value(payment))
    status = OperationStatus.SUCCEEDED if done else OperationStatus.PENDING
    return _NewOperation(new_id(), payment, kind, amount_minor, status)


async def _lock_payments(session: Session, order_id: UUID) -> list[Row]:
    return await session.fetch(_LOCK_PAYMENTS, order_id=order_id)


_LOCK_PAYMENTS = statement("""
    SELECT id, method, reference, key, capture_once, amount_minor, captured_minor, voided_minor, refunded_minor
    FROM payment WHERE order_id = :order_id ORDER BY id FOR UPDATE
""")


async def _refund_stored_value(
    session: Session, order: LockedOrder, operations: Sequence[_NewOperation], actor: str
) -> None:
    """Credit refunds of gift cards and points to their ledgers."""
    for operation in operations:
        if operation.kind is OperationKind.REFUND and _is_stored_value(operation.payment):
            await tenders.refund(
                session,
                order_id=order.id,
                method=operation.payment["method"],
                reference=operation.payment["reference"],
                amount_minor=operation.amount_minor,
                operation_id=operation.id,
                actor=actor,
            )


async def _write(
    session: Session,
    order: LockedOrder,
    operations: Sequence[_NewOperation],
    *,
    reason: PaymentReason,
    actor: str,
    return_id: UUID | None,
) -> None:
    """Write the operations, the sums of their payments and of the order, and the order's timeline."""
    if not operations:
        return
    kept = [operation for operation in operations if operation.kind is not OperationKind.VOID or operation.voids_all]
    await session.run(
        _INSERT_OPERATIONS,
        order_id=order.id,
        ids=[operation.id for operation in kept],
        payment_ids=[operation.payment["id"] for operation in kept],
        kinds=[operation.kind for operation in kept],
        amounts_minor=[operation.amount_minor for operation in kept],
        statuses=[operation.status for operation in kept],
        by_hand=[operation.by_hand for operation in kept],
        reason=reason,
        actor=actor,
        return_id=return_id,
    )
    rows = await session.fetch(
        _UPDATE_PAYMENTS,
        payment_ids=[operation.payment["id"] for operation in operations],
        kinds=[operation.kind for operation in operations],
        amounts_minor=[operation.amount_minor for operation in operations],
    )
    await update_order_totals(session, order.id)
    await timeline.record(session, [_timeline_entry(order, row, reason) for row in rows], actor=actor)


def _timeline_entry(order: LockedOrder, payment: Row, reason: str) -> TimelineEntry:
    data = {
        "payment": str(payment["id"]),
        "method": payment["method"],
        "status": payment["status"],
        "amount": {"amountMinor": payment["amount_minor"], "currency": order.currency},
        "capturedMinor": payment["captured_minor"],
        "refundedMinor": payment["refunded_minor"],
        "reason": reason,
    }
    return TimelineEntry(order.id, PaymentUpdated, data)


async def update_order_totals(session: Session, order_id: UUID) -> None:
    """Update the refunded amount and the payment status of an order from its payments."""
    await session.run(_UPDATE_ORDER, order_id=order_id)


# Operations by hand that are not done yet wait for a till: no sweep takes them up.
_INSERT_OPERATIONS = statement("""
    INSERT INTO payment_operation (id, order_id, payment_id, return_id, kind, amount_minor, status, reason, actor,
        next_at, settled_at)
    SELECT id, :order_id, payment_id, :return_id, kind, amount_minor, status, :reason, :actor,
        CASE WHEN by_hand AND status = 'PENDING' THEN 'infinity' ELSE now() END,
        CASE WHEN status = 'SUCCEEDED' THEN now() END
    FROM unnest(:ids::uuid[], :payment_ids::uuid[], :kinds::text[], :amounts_minor::bigint[], :statuses::text[],
        :by_hand::boolean[]) AS o(id, payment_id, kind, amount_minor, status, by_hand)
""")

STATUS_OF_SUMS = fragment("""
    CASE WHEN captured_minor + voided_minor < amount_minor THEN 'AUTHORIZED'
        WHEN captured_minor = 0 AND amount_minor > 0 THEN 'VOIDED' WHEN refunded_minor = 0 THEN 'PAID'
        WHEN refunded_minor = captured_minor THEN 'REFUNDED' ELSE 'PARTIALLY_REFUNDED' END
""")
"""The status of a payment, or of all payments of an order, by their sums."""

_UPDATE_PAYMENTS = statement(f"""
    WITH decided AS (
        SELECT payment_id, sum(amount) FILTER (WHERE kind = 'CAPTURE') AS captured,
            sum(amount) FILTER (WHERE kind = 'REFUND') AS refunded, sum(amount) FILTER (WHERE kind = 'VOID') AS voided
        FROM unnest(:payment_ids::uuid[], :kinds::text[], :amounts_minor::bigint[]) AS o(payment_id, kind, amount)
        GROUP BY payment_id
    ), sums AS (
        SELECT p.id, p.amount_minor, p.captured_minor + coalesce(d.captured, 0) AS captured_minor,
            p.refunded_minor + coalesce(d.refunded, 0) AS refunded_minor,
            p.voided_minor + coalesce(d.voided, 0) AS voided_minor
        FROM payment p JOIN decided d ON d.payment_id = p.id
    )
    UPDATE payment p SET captured_minor = s.captured_minor, refunded_minor = s.refunded_minor,
        voided_minor = s.voided_minor, status = s.status
    FROM (SELECT *, {STATUS_OF_SUMS} AS status FROM sums) s WHERE p.id = s.id
    RETURNING p.id, p.method, p.status, p.amount_minor, p.captured_minor, p.refunded_minor
""")

_UPDATE_ORDER = statement(f"""
    WITH sums AS (
        SELECT coalesce(sum(amount_minor), 0) AS amount_minor, coalesce(sum(captured_minor), 0) AS captured_minor,
            coalesce(sum(voided_minor), 0) AS voided_minor, coalesce(sum(refunded_minor), 0) AS refunded_minor
        FROM payment WHERE order_id = :order_id
    )
    UPDATE orders o SET refunded_minor = s.refunded_minor, payment_status = s.status
    FROM (SELECT *, {STATUS_OF_SUMS} AS status FROM sums) s WHERE o.id = :order_id
""")
