"""The timeline's messages: each event of an order is one complete sentence."""

from __future__ import annotations

import pytest

from uriba.outbox import registry
from uriba.outbox.payloads import Data

AMOUNT = {"amountMinor": 15378, "currency": "JPY"}
PAYMENT = {"method": "TEST", "amount": AMOUNT}
GOODS = {"units": 2, "location": "S1"}


@pytest.mark.parametrize(
    ("type", "data", "message"),
    [
        ("order.placed", {"total": AMOUNT}, "The order was placed: ¥15,378."),
        ("order.completed", {}, "The order was completed."),
        ("order.cancelled", {}, "The order was cancelled."),
        ("order.cancelled", {"reason": "Changed my mind"}, "The order was cancelled (Changed my mind)."),
        ("order.lines_cancelled", {"lines": [{"units": 1}, {"units": 2}]}, "3 units were cancelled."),
        ("order.lines_cancelled", {"lines": [{"units": 1}]}, "1 unit was cancelled."),
        ("return.created", {"units": 1}, "1 unit was returned."),
        ("return.created", {"units": 3}, "3 units were returned."),
        ("return.created", {}, "Goods were returned."),
        ("payment.updated", {**PAYMENT, "status": "AUTHORIZED"}, "The TEST payment of ¥15,378 was authorized."),
        ("payment.updated", {**PAYMENT, "status": "PAID"}, "The TEST payment of ¥15,378 was paid."),
        ("payment.updated", {**PAYMENT, "status": "PENDING"}, "The TEST payment of ¥15,378 is PENDING."),
        (
            "payment.updated",
            {**PAYMENT, "status": "VOIDED"},
            "The TEST payment of ¥15,378 was voided; nothing is charged.",
        ),
        (
            "payment.updated",
            {**PAYMENT, "status": "PARTIALLY_REFUNDED", "refundedMinor": 13582},
            "Refunded ¥13,582 of the TEST payment of ¥15,378.",
        ),
        (
            "payment.updated",
            {**PAYMENT, "status": "PAID", "failed": "REFUND", "reason": "card expired"},
            "The refund of the TEST payment of ¥15,378 failed: card expired.",
        ),
        (
            "fulfillment.updated",
            {**GOODS, "status": "ALLOCATED", "reason": "REJECTED"},
            "2 units were allocated at S1 (REJECTED).",
        ),
        ("fulfillment.updated", {**GOODS, "status": "BACKORDERED"}, "2 units were back-ordered at S1."),
        ("fulfillment.updated", {**GOODS, "status": "PICKED"}, "S1 picked 2 units."),
        ("fulfillment.updated", {**GOODS, "status": "READY_FOR_PICKUP"}, "2 units are ready for pickup at S1."),
        (
            "fulfillment.updated",
            {**GOODS, "units": 1, "status": "READY_FOR_PICKUP", "holdUntil": "2026-01-02T09:00:00+00:00"},
            "1 unit is ready for pickup at S1 until 2026-01-02.",
        ),
        ("fulfillment.updated", {**GOODS, "status": "HANDED_OVER"}, "S1 handed over 2 units."),
        ("fulfillment.updated", {**GOODS, "status": "SHIPPED", "tracking": "Z9"}, "S1 shipped 2 units, tracking Z9."),
        ("fulfillment.updated", {**GOODS, "status": "DELIVERED"}, "2 units from S1 were delivered."),
        ("fulfillment.updated", {**GOODS, "status": "REJECTED", "reason": "DAMAGED"}, "S1 rejected 2 units (DAMAGED)."),
        ("fulfillment.updated", {**GOODS, "units": 1, "status": "CANCELLED"}, "1 unit at S1 was cancelled."),
    ],
)
def test_an_event_is_one_sentence(type: str, data: Data, message: str) -> None:
    assert registry.message(type, data) == message
