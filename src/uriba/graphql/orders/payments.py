"""Payments of orders, and what is given back of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from uriba.core.ids import global_id
from uriba.graphql.scalars import Money, Node, money_of
from uriba.orders.models import OperationStatus, PaymentStatus

strawberry.enum(PaymentStatus, description="How far the money is.")
RefundStatus = strawberry.enum(
    OperationStatus,
    name="RefundStatus",
    description="PENDING until the provider has paid it back, or a till has paid it out.",
)


@strawberry.type(description="Money for an order, by one tender.")
class Payment(Node):
    id: strawberry.ID
    method: str
    status: PaymentStatus
    amount: Money
    captured: Money = strawberry.field(description="What was taken of it.")
    refunded: Money = strawberry.field(description="What was given back of it.")
    reference: str | None
    tendered: Money | None = strawberry.field(description="Cash that was handed over.")
    change: Money | None = strawberry.field(description="Cash that was given back of it at once.")


def payment_of(row: Mapping[str, Any]) -> Payment:
    currency, tendered = row["currency"], row["tendered_minor"]
    return Payment(
        id=strawberry.ID(global_id("Payment", row["id"])),
        method=row["method"],
        status=PaymentStatus(row["status"]),
        amount=money_of(row["amount_minor"], currency),
        captured=money_of(row["captured_minor"], currency),
        refunded=money_of(row["refunded_minor"], currency),
        tendered=None if tendered is None else money_of(tendered, currency),
        change=None if tendered is None else money_of(tendered - row["amount_minor"], currency),
        reference=row["reference"],
    )


@strawberry.type(description="Money that is given back, to the tender it came from.")
class Refund:
    id: strawberry.ID
    method: str
    amount: Money
    status: RefundStatus  # type: ignore[valid-type]
    reason: str = strawberry.field(
        description="CANCELLED, RETURNED, or EXCHANGED: it paid for what the goods were exchanged for."
    )
    created_at: datetime
    settled_at: datetime | None


def refund_of(row: Mapping[str, Any]) -> Refund:
    return Refund(
        id=strawberry.ID(global_id("Refund", row["id"])),
        method=row["method"],
        amount=money_of(row["amount_minor"], row["currency"]),
        status=OperationStatus(row["status"]),
        reason=row["reason"],
        created_at=row["created_at"],
        settled_at=row["settled_at"],
    )
