"""The states of a fulfillment, and which follow which. Pure; drawn in docs/fulfillment.md."""

from __future__ import annotations

from collections.abc import Mapping

from uriba.cart.models import FulfillmentMethod as Method
from uriba.core.errors import InvalidState
from uriba.fulfillment.models import FulfillmentStatus as Status

TRANSITIONS: Mapping[Method, Mapping[Status, tuple[Status, ...]]] = {
    Method.CARRY_OUT: {},
    Method.PICKUP: {
        Status.BACKORDERED: (Status.CANCELLED,),
        Status.ALLOCATED: (
            Status.PICKED,
            Status.READY_FOR_PICKUP,
            Status.HANDED_OVER,
            Status.REJECTED,
            Status.CANCELLED,
        ),
        Status.PICKED: (Status.READY_FOR_PICKUP, Status.HANDED_OVER, Status.REJECTED, Status.CANCELLED),
        Status.READY_FOR_PICKUP: (Status.HANDED_OVER, Status.REJECTED, Status.CANCELLED),
    },
    Method.SHIP: {
        Status.BACKORDERED: (Status.CANCELLED,),
        Status.ALLOCATED: (Status.PICKED, Status.SHIPPED, Status.REJECTED, Status.CANCELLED),
        Status.PICKED: (Status.SHIPPED, Status.REJECTED, Status.CANCELLED),
        Status.SHIPPED: (Status.DELIVERED,),
    },
}
"""What people may do next. The hub itself moves between ALLOCATED and BACKORDERED, as goods go and come."""

DEPARTED = (Status.HANDED_OVER, Status.SHIPPED, Status.DELIVERED)
"""The goods have left the shop's hands."""

ENDED = (Status.HANDED_OVER, Status.DELIVERED, Status.CANCELLED, Status.REJECTED)
"""Nothing more happens to it."""


def next_statuses(method: Method, status: Status) -> tuple[Status, ...]:
    """What may follow; nothing at an end."""
    return TRANSITIONS[method].get(status, ())


def check_transition(method: Method, status: Status, to: Status) -> None:
    """Errors: `InvalidState`, with the moves that are legal."""
    legal = next_statuses(method, status)
    if to not in legal:
        ways = f"it can become {', '.join(legal)}" if legal else "that is its end"
        raise InvalidState(f"A {method} that is {status} cannot become {to}: {ways}.", "status")
