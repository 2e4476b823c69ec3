"""Payments and refunds of orders."""

from __future__ import annotations

from datetime import datetime

import strawberry

from uriba.core.ids import global_id
from uriba.graphql.scalars import Money, Node, money_of
from uriba.orders.enums import OperationStatus, PaymentStatus
from uriba.orders.rows import PaymentRow, RefundRow

strawberry.enum(PaymentStatus, description="The status of a payment, or of all payments of an order.")
RefundStatus = strawberry.enum(
    OperationStatus,
    name="RefundStatus",
    description="PENDING until the provider has refunded it, or a till has paid it out.",
)


@strawberry.type(description="A payment of an order by one tender.")
class Payment(Node):
    id: strawberry.ID
    method: str
    status: PaymentStatus
    amount: Money
    captured: Money = strawberry.field(description="The amount that was captured.")
    refunded: Money = strawberry.field(description="The amount that was refunded.")
    reference: str | None
    tendered: Money | None = strawberry.field(description="The cash that was handed over.")
    change: Money | None = strawberry.field(description="The cash that was given back at once.")


def payment_of(row: PaymentRow) -> Payment:
    currency, tendered, change = row.currency, row.tendered_minor, row.change_minor
    return Payment(
        id=strawberry.ID(global_id("Payment", row.id)),
        method=row.method,
        status=PaymentStatus(row.status),
        amount=money_of(row.amount_minor, currency),
        captured=money_of(row.captured_minor, currency),
        refunded=money_of(row.refunded_minor, currency),
        tendered=None if tendered is None else money_of(tendered, currency),
        change=None if change is None else money_of(change, currency),
        reference=row.reference,
    )


@strawberry.type(description="A refund to the tender that paid.")
class Refund:
    id: strawberry.ID
    method: str
    amount: Money
    status: RefundStatus  # type: ignore[valid-type]
    reason: str = strawberry.field(
        description="CANCELLED, RETURNED, or EXCHANGED where the amount has paid for the new order of an exchange."
    )
    created_at: datetime
    settled_at: datetime | None


def refund_of(row: RefundRow) -> Refund:
    return Refund(
        id=strawberry.ID(global_id("Refund", row.id)),
        method=row.method,
        amount=money_of(row.amount_minor, row.currency),
        status=OperationStatus(row.status),
        reason=row.reason,
        created_at=row.created_at,
        settled_at=row.settled_at,
    )
