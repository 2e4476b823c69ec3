"""The statuses of a fulfillment and the transitions between them. Pure; drawn in docs/fulfillment.md."""

from __future__ import annotations

from collections.abc import Mapping

from uriba.cart.enums import FulfillmentMethod as Method
from uriba.core.errors import InvalidState
from uriba.fulfillment.enums import FulfillmentStatus as Status

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
"""The transitions that callers may make. The hub itself changes between ALLOCATED and BACKORDERED with the stock."""

DEPARTED = (Status.HANDED_OVER, Status.SHIPPED, Status.DELIVERED)
"""Statuses of units that have left the location."""

ENDED = (Status.HANDED_OVER, Status.DELIVERED, Status.CANCELLED, Status.REJECTED)
"""Statuses that no other follows."""


def next_statuses(method: Method, status: Status) -> tuple[Status, ...]:
    """Return the statuses that may follow; none at an end."""
    return TRANSITIONS[method].get(status, ())


def check_transition(method: Method, status: Status, to: Status) -> None:
    """Errors: `InvalidState`, whose message lists the legal transitions."""
    legal = next_statuses(method, status)
    if to not in legal:
        allowed = f"it can become {', '.join(legal)}" if legal else "this is its final status"
        raise InvalidState(f"A {method} fulfillment that is {status} cannot become {to}: {allowed}.", "status")
