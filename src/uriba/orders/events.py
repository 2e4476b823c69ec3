"""What others hear of orders; each is a line of the order's timeline too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from uriba.db import Row
from uriba.outbox import Event


@dataclass(frozen=True, slots=True)
class OrderPlaced(Event):
    """A cart became an order."""

    type: ClassVar[str] = "order.placed"


@dataclass(frozen=True, slots=True)
class PaymentUpdated(Event):
    """A payment reached another status."""

    type: ClassVar[str] = "payment.updated"


@dataclass(frozen=True, slots=True)
class OrderCompleted(Event):
    """Everything was handed over."""

    type: ClassVar[str] = "order.completed"


@dataclass(frozen=True, slots=True)
class OrderCancelled(Event):
    """Nothing of it will be handed over."""

    type: ClassVar[str] = "order.cancelled"


@dataclass(frozen=True, slots=True)
class OrderLinesCancelled(Event):
    """Units of it will not be handed over."""

    type: ClassVar[str] = "order.lines_cancelled"


@dataclass(frozen=True, slots=True)
class ReturnCreated(Event):
    """Units came back, and money was given back for them."""

    type: ClassVar[str] = "return.created"


@dataclass(frozen=True, slots=True)
class FulfillmentUpdated(Event):
    """A part of an order is to be handled elsewhere, waits for goods, or got further."""

    type: ClassVar[str] = "fulfillment.updated"


def order_subject(order_id: UUID) -> str:
    return f"Order:{order_id}"


def watched_subjects(event: Row) -> tuple[str, ...]:
    """Return the subjects whose subscriptions an event of the feed concerns.

    An order's events also concern its cart, so that a guest who holds the cart's id can follow the order.
    """
    subject: str = event["subject"]
    cart_id = event["data"].get("cart") if subject.startswith("Order:") else None
    return (subject, f"Cart:{cart_id}") if cart_id else (subject,)
