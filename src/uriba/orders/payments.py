"""The money of an order: what is taken, given back and let go, decided here and done by `payment_operation`s.

The caller has locked the order. A payment's sums hold an amount from the moment it was decided, so that nothing is
given back twice, and never more than was taken. Providers, and tills that pay cash out, do it afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from uriba.core.ids import new_id
from uriba.db import Row, Session
from uriba.orders import timeline
from uriba.orders.events import PaymentUpdated
from uriba.orders.models import OperationKind, OperationStatus
from uriba.orders.timeline import TimelineEntry
from uriba.stored_value import points, tenders


class PaymentReason(StrEnum):
    """Why money moves."""

    CANCELLED = "CANCELLED"
    EXCHANGED = "EXCHANGED"
    RETURNED = "RETURNED"
    SHIPPED = "SHIPPED"


@dataclass(frozen=True, slots=True)
class _Move:
    """So much of a payment is captured, refunded or voided."""

    id: UUID
    payment: Row
    kind: OperationKind
    amount_minor: int
    status: OperationStatus

    @property
    def by_hand(self) -> bool:
        """Cash, and whatever no provider and no ledger of the hub's knows: a till pays it out."""
        return self.payment["key"] is None and not _is_in_ledger(self.payment)


async def refund(
    session: Session,
    order: Row,
    amount_minor: int,
    *,
    reason: PaymentReason,
    actor: str,
    at_till: bool = False,
    return_id: UUID | None = None,
) -> int:
    """Give so much back, the way it was paid, the last tender first; how much that is, in minor units.

    What was only authorised is let go before anything is refunded. Never more than the order was paid. `at_till`: what
    is paid out by hand is paid out now; else it waits for a till.
    """
    payments = await _locked(session, order["id"])
    moves: list[_Move] = []
    left = amount_minor
    for kind in (OperationKind.VOID, OperationKind.REFUND):
        for payment in reversed(payments):
            have = (
                _open(payment) if kind is OperationKind.VOID else payment["captured_minor"] - payment["refunded_minor"]
            )
            if (part := min(left, have)) > 0:
                left -= part
                moves.append(_move(payment, kind, part, at_till))
    await _write(session, order, moves, reason=reason, actor=actor, return_id=return_id)
    await _credit(session, order, [m for m in moves if _is_in_ledger(m.payment)], actor)
    await points.reverse(session, order_id=order["id"], refunded_minor=sum(m.amount_minor for m in moves), actor=actor)
    return sum(move.amount_minor for move in moves if move.kind is OperationKind.REFUND)


async def apply_to_exchange(session: Session, order: Row, amount_minor: int, *, actor: str, return_id: UUID) -> None:
    """So much of what an order was paid pays for what its goods are exchanged for: no money leaves the house."""
    moves: list[_Move] = []
    left = amount_minor
    for payment in reversed(await _locked(session, order["id"])):
        if (part := min(left, payment["captured_minor"] - payment["refunded_minor"])) > 0:
            left -= part
            moves.append(_Move(new_id(), payment, OperationKind.REFUND, part, OperationStatus.SUCCEEDED))
    await _write(session, order, moves, reason=PaymentReason.EXCHANGED, actor=actor, return_id=return_id)
    await points.reverse(session, order_id=order["id"], refunded_minor=amount_minor - left, actor=actor)


async def capture(session: Session, order: Row, *, leave_minor: int, actor: str) -> None:
    """Take what was authorised, but for so much that is not due yet; all of it where the provider captures once."""
    moves: list[_Move] = []
    payments = await _locked(session, order["id"])
    left = sum(map(_open, payments)) - leave_minor
    for payment in payments:
        have = _open(payment)
        part = have if payment["capture_once"] and left > 0 else min(left, have)
        if part > 0:
            left -= part
            moves.append(_move(payment, OperationKind.CAPTURE, part, at_till=False))
    await _write(session, order, moves, reason=PaymentReason.SHIPPED, actor=actor, return_id=None)


async def paid_minor(session: Session, order_id: UUID) -> int:
    """What the order has been paid and not given back; what is authorised counts."""
    found: int = await session.fetchval(
        "SELECT coalesce(sum(amount_minor - voided_minor - refunded_minor), 0)::bigint FROM payment "
        "WHERE order_id = $1",
        order_id,
    )
    return found


def _is_in_ledger(payment: Row) -> bool:
    """Taken from a ledger of the hub's."""
    return tenders.is_in_ledger(payment["method"], payment["reference"])


def _open(payment: Row) -> int:
    return int(payment["amount_minor"] - payment["captured_minor"] - payment["voided_minor"])


def _move(payment: Row, kind: OperationKind, amount_minor: int, at_till: bool) -> _Move:
    done = payment["key"] is None and (at_till or _is_in_ledger(payment))
    return _Move(new_id(), payment, kind, amount_minor, OperationStatus.SUCCEEDED if done else OperationStatus.PENDING)


async def _locked(session: Session, order_id: UUID) -> list[Row]:
    return await session.fetch("SELECT * FROM payment WHERE order_id = $1 ORDER BY id FOR UPDATE", order_id)


async def _credit(session: Session, order: Row, moves: Sequence[_Move], actor: str) -> None:
    """What was paid from the hub's own ledgers goes back into them."""
    for move in moves:
        if move.kind is OperationKind.REFUND:
            await tenders.refund(
                session,
                order_id=order["id"],
                method=move.payment["method"],
                reference=move.payment["reference"],
                amount_minor=move.amount_minor,
                operation_id=move.id,
                actor=actor,
            )


def _lets_all_go(move: _Move) -> bool:
    """Whether nothing of a charge is left; one that is captured in part needs no word to its provider."""
    payment = move.payment
    return not payment["captured_minor"] and payment["voided_minor"] + move.amount_minor == payment["amount_minor"]


async def _write(
    session: Session, order: Row, moves: Sequence[_Move], *, reason: PaymentReason, actor: str, return_id: UUID | None
) -> None:
    if not moves:
        return
    kept = [move for move in moves if move.kind is not OperationKind.VOID or _lets_all_go(move)]
    await session.run(
        _OPERATIONS,
        order["id"],
        [m.id for m in kept],
        [m.payment["id"] for m in kept],
        [m.kind for m in kept],
        [m.amount_minor for m in kept],
        [m.status for m in kept],
        [m.by_hand for m in kept],
        reason,
        actor,
        return_id,
    )
    rows = await session.fetch(
        _PAYMENTS,
        [m.payment["id"] for m in moves],
        [m.kind for m in moves],
        [m.amount_minor for m in moves],
    )
    await update_order_totals(session, order["id"])
    await timeline.record(session, [_told(order, row, reason) for row in rows], actor=actor)


def _told(order: Row, payment: Row, reason: str) -> TimelineEntry:
    data = {
        "payment": str(payment["id"]),
        "method": payment["method"],
        "status": payment["status"],
        "amount": {"amountMinor": payment["amount_minor"], "currency": order["currency"]},
        "capturedMinor": payment["captured_minor"],
        "refundedMinor": payment["refunded_minor"],
        "reason": reason,
    }
    return TimelineEntry(order["id"], PaymentUpdated, data)


async def update_order_totals(session: Session, order_id: UUID) -> None:
    """Write what the payments of an order come to."""
    await session.run(_ORDER, order_id)


_OPERATIONS = """
    INSERT INTO payment_operation (id, order_id, payment_id, return_id, kind, amount_minor, status, reason, actor,
        next_at, settled_at)
    SELECT id, $1, payment_id, $10, kind, amount_minor, status, $8, $9,
        CASE WHEN by_hand AND status = 'PENDING' THEN 'infinity' ELSE now() END,
        CASE WHEN status = 'SUCCEEDED' THEN now() END
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::boolean[])
        AS m(id, payment_id, kind, amount_minor, status, by_hand)
"""

STATUS = """
    CASE WHEN captured_minor + voided_minor < amount_minor THEN 'AUTHORIZED'
        WHEN captured_minor = 0 AND amount_minor > 0 THEN 'VOIDED' WHEN refunded_minor = 0 THEN 'PAID'
        WHEN refunded_minor = captured_minor THEN 'REFUNDED' ELSE 'PARTIALLY_REFUNDED' END
"""
"""What the sums of a payment come to."""

_PAYMENTS = f"""
    WITH moved AS (
        SELECT payment_id, sum(amount) FILTER (WHERE kind = 'CAPTURE') AS captured,
            sum(amount) FILTER (WHERE kind = 'REFUND') AS refunded, sum(amount) FILTER (WHERE kind = 'VOID') AS voided
        FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS m(payment_id, kind, amount) GROUP BY 1
    ), sums AS (
        SELECT p.id, p.amount_minor, p.captured_minor + coalesce(m.captured, 0) AS captured_minor,
            p.refunded_minor + coalesce(m.refunded, 0) AS refunded_minor,
            p.voided_minor + coalesce(m.voided, 0) AS voided_minor
        FROM payment p JOIN moved m ON m.payment_id = p.id
    )
    UPDATE payment p SET captured_minor = s.captured_minor, refunded_minor = s.refunded_minor,
        voided_minor = s.voided_minor, status = s.status
    FROM (SELECT *, {STATUS} AS status FROM sums) s WHERE p.id = s.id RETURNING p.*
"""

_ORDER = f"""
    WITH sums AS (
        SELECT coalesce(sum(amount_minor), 0) AS amount_minor, coalesce(sum(captured_minor), 0) AS captured_minor,
            coalesce(sum(voided_minor), 0) AS voided_minor, coalesce(sum(refunded_minor), 0) AS refunded_minor
        FROM payment WHERE order_id = $1
    )
    UPDATE orders o SET refunded_minor = s.refunded_minor, payment_status = s.status
    FROM (SELECT *, {STATUS} AS status FROM sums) s WHERE o.id = $1
"""
