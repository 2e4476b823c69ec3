"""Events of orders. Each is also a line of its order's timeline."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from uriba.core.ids import global_id
from uriba.core.money import Money as Amount
from uriba.db import Row
from uriba.orders.enums import OperationKind, OrderStatus, PaymentStatus
from uriba.outbox import Event
from uriba.outbox.payloads import Data, GlobalId, Money, Payload, Units, money, money_or_none

OTHER = "OTHER"
METHOD = "^[A-Z][A-Z_]{0,31}$"


class Why(StrEnum):
    """The reason for the event. OTHER stands for a reason that a person wrote; the order's timeline has its text."""

    SHORTAGE = "SHORTAGE"
    REJECTED = "REJECTED"
    RECEIPT = "RECEIPT"
    PICKUP_EXPIRED = "PICKUP_EXPIRED"
    CANCELLED = "CANCELLED"
    EXCHANGED = "EXCHANGED"
    RETURNED = "RETURNED"
    SHIPPED = "SHIPPED"
    OTHER = "OTHER"


CartId = Annotated[
    GlobalId, Meta(description="The cart. The id of a guest's cart gives access to that cart: keep it secret.")
]


class OrderPayload(Payload):
    """The common part of the payloads of an order's events."""

    cart: CartId | None


class LineUnits(Payload):
    """Units of an order line."""

    order_line: Annotated[GlobalId, Meta(description="Global id of an OrderLine.")]
    units: Annotated[int, Meta(ge=1)]


class OrderEvent(Event):
    """An event of an order."""

    subject_kind = "Order"


class OrderPlaced(OrderEvent):
    """An order was placed: a cart was paid, or a till reported a sale, whose order is COMPLETED from the start."""

    type = "order.placed"

    class Payload(OrderPayload):
        status: OrderStatus
        total: Money

    @staticmethod
    def payload(data: Data, key: str) -> OrderPlaced.Payload:
        return OrderPlaced.Payload(cart=cart_of(data), status=data["status"], total=money(data["total"]))

    @staticmethod
    def message(data: Data) -> str:
        return f"The order was placed: {_amount(data['total'])}."


class OrderEndPayload(OrderPayload):
    """The order's last status."""

    status: OrderStatus
    reason: Why | None


class OrderCompleted(OrderEvent):
    """All units that were not cancelled were handed over or delivered. Sent once."""

    type = "order.completed"
    Payload = OrderEndPayload

    @staticmethod
    def payload(data: Data, key: str) -> OrderEndPayload:
        return OrderEndPayload(cart=cart_of(data), status=data["status"], reason=why(data))

    @staticmethod
    def message(data: Data) -> str:
        return "The order was completed."


class OrderCancelled(OrderEvent):
    """No unit of the order will be handed over. Sent once, when its last units are cancelled."""

    type = "order.cancelled"
    Payload = OrderEndPayload

    @staticmethod
    def payload(data: Data, key: str) -> OrderEndPayload:
        return OrderEndPayload(cart=cart_of(data), status=data["status"], reason=why(data))

    @staticmethod
    def message(data: Data) -> str:
        return f"The order was cancelled{in_parentheses(data)}."


class OrderLinesCancelled(OrderEvent):
    """Some units of the order will not be handed over; others will be, or were."""

    type = "order.lines_cancelled"

    class Payload(OrderPayload):
        lines: Annotated[list[LineUnits], Meta(description="The units that were cancelled.")]
        reason: Why | None

    @staticmethod
    def payload(data: Data, key: str) -> OrderLinesCancelled.Payload:
        lines = [LineUnits(global_id("OrderLine", line["orderLine"]), line["units"]) for line in data["lines"]]
        return OrderLinesCancelled.Payload(cart=cart_of(data), lines=lines, reason=why(data))

    @staticmethod
    def message(data: Data) -> str:
        units = sum(line["units"] for line in data["lines"])
        return f"{units_text(units)} {were(units)} cancelled{in_parentheses(data)}."


class PaymentUpdated(OrderEvent):
    """A payment reached another status: authorized, captured, voided or refunded. Sent for each payment with the order,
    and again when more of its money moves. With `failed`, the provider refused to move the amount, and the payment's
    status is unchanged."""

    type = "payment.updated"

    class Payload(OrderPayload):
        payment: Annotated[GlobalId, Meta(description="Global id of a Payment.")]
        method: Annotated[
            str, Meta(pattern=METHOD, description="CASH, a provider's name ...; OTHER for a till's free text.")
        ]
        status: PaymentStatus
        amount: Annotated[Money, Meta(description="The agreed amount; with `failed`, the amount that was not moved.")]
        captured: Annotated[
            Money | None, Meta(description="Captured so far; null where the event has the status only.")
        ]
        refunded: Annotated[
            Money | None, Meta(description="Refunded so far; null where the event has the status only.")
        ]
        failed: Annotated[OperationKind | None, Meta(description="The operation that the provider refused.")]
        reason: Why | None

    @staticmethod
    def payload(data: Data, key: str) -> PaymentUpdated.Payload:
        amount, method = data["amount"], data["method"]
        return PaymentUpdated.Payload(
            cart=cart_of(data),
            payment=global_id("Payment", data["payment"]),
            # A till may send any text as its method.
            method=method if _METHOD.fullmatch(method) else OTHER,
            status=data["status"],
            amount=money(amount),
            captured=money_or_none(data.get("capturedMinor"), amount["currency"]),
            refunded=money_or_none(data.get("refundedMinor"), amount["currency"]),
            failed=data.get("failed"),
            reason=why(data),
        )

    @staticmethod
    def message(data: Data) -> str:
        payment = f"{data['method']} payment of {_amount(data['amount'])}"
        if failed := data.get("failed"):
            return f"The {str(failed).lower()} of the {payment} failed: {data.get('reason')}."
        match data["status"]:
            case PaymentStatus.AUTHORIZED:
                return f"The {payment} was authorized."
            case PaymentStatus.PAID:
                return f"The {payment} was paid."
            case PaymentStatus.VOIDED:
                return f"The {payment} was voided; nothing is charged."
            case PaymentStatus.PARTIALLY_REFUNDED | PaymentStatus.REFUNDED:
                refunded = _amount({**data["amount"], "amountMinor": data["refundedMinor"]})
                return f"Refunded {refunded} of the {payment}."
            case status:
                return f"The {payment} is {status}."


class ReturnCreated(OrderEvent):
    """Units of an order were returned to a store, at a till or otherwise. Sent when their order is known."""

    type = "return.created"

    class Payload(OrderPayload):
        order_return: Annotated[GlobalId, Meta(description="Global id of a Return.")]
        units: Annotated[
            Units | None, Meta(description="Units returned; null for a till's return: read Order.returns.")
        ]
        refund: Annotated[Money | None, Meta(description="The amount to refund; null where the event has none.")]

    @staticmethod
    def payload(data: Data, key: str) -> ReturnCreated.Payload:
        currency = data.get("currency")
        return ReturnCreated.Payload(
            cart=cart_of(data),
            order_return=global_id("Return", data["return"]),
            units=data.get("units"),
            refund=money_or_none(data["refundMinor"], currency) if currency else None,
        )

    @staticmethod
    def message(data: Data) -> str:
        units = data.get("units")
        return "Goods were returned." if units is None else f"{units_text(units)} {were(units)} returned."


_METHOD = re.compile(METHOD)
_WHY = frozenset(Why)


def cart_of(data: Data) -> str | None:
    """Return the global id of the order's cart."""
    cart = data.get("cart")
    return global_id("Cart", cart) if cart else None


def why(data: Data) -> Why | None:
    """Return the hub's own reason. A reason that a person wrote stays in the order's timeline."""
    reason = data.get("reason")
    return reason if reason is None or reason in _WHY else Why.OTHER


def units_text(units: int) -> str:
    return "1 unit" if units == 1 else f"{units} units"


def were(units: int) -> str:
    return "was" if units == 1 else "were"


def in_parentheses(data: Data) -> str:
    """Return the reason as the end of a sentence; nothing where there is none."""
    return f" ({data['reason']})" if data.get("reason") else ""


def _amount(stored: Data) -> str:
    return str(Amount(stored["amountMinor"], stored["currency"]))


SUBJECT_PREFIX = "Order:"


def order_subject(order_id: UUID) -> str:
    return f"{SUBJECT_PREFIX}{order_id}"


def order_id_of_subject(subject: str) -> UUID:
    return UUID(subject.removeprefix(SUBJECT_PREFIX))


def watched_subjects(event: Row) -> tuple[str, ...]:
    """Return the subjects whose subscriptions an event of the feed concerns.

    An order's events also concern its cart, so that a guest who holds the cart's id can follow the order.
    """
    subject: str = event["subject"]
    cart_id = event["data"].get("cart") if subject.startswith(SUBJECT_PREFIX) else None
    return (subject, f"Cart:{cart_id}") if cart_id else (subject,)
