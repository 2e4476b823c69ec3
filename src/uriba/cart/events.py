"""Events of carts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from uriba.cart.enums import CartStatus
from uriba.core.ids import global_id
from uriba.outbox import Event
from uriba.outbox.payloads import Data, GlobalId, Payload, Version

CartVersion = Annotated[
    Version,
    Meta(description="The cart's version, as in Cart.version and expectedVersion. The event's version counts events."),
]


class CartPayload(Payload):
    """The cart's state after the event."""

    status: CartStatus
    version: CartVersion


class CartEvent(Event):
    """An event of a cart."""

    subject_kind = "Cart"
    Payload = CartPayload

    @staticmethod
    def payload(data: Data, key: str) -> CartPayload:
        return CartPayload(status=data["status"], version=data["version"])


class CartCreated(CartEvent):
    """A cart was created. A customer who has an active cart gets that one back, and no event is sent."""

    type = "cart.created"


class CartUpdated(CartEvent):
    """A cart changed: its lines, owner, coupons or fulfillment; or its payment began, it expired (EXPIRED), or it was
    merged into another cart (MERGED). Sent once for each change."""

    type = "cart.updated"


class CartHandedOff(CartEvent):
    """Another device or a till took over the cart with a handoff code. Sent when the code is used."""

    type = "cart.handed_off"


class CartMerged(CartEvent):
    """The lines of another cart were merged into this one, which stays; the other cart has its own cart.updated."""

    type = "cart.merged"


class CartOrdered(CartEvent):
    """The cart became an order, by a checkout or by a till's sale. Sent once, with the order.placed."""

    type = "cart.ordered"

    class Payload(CartPayload):
        order: Annotated[GlobalId, Meta(description="Global id of the order that was placed.")]

    @staticmethod
    def payload(data: Data, key: str) -> CartOrdered.Payload:
        return CartOrdered.Payload(
            status=data["status"], version=data["version"], order=global_id("Order", data["order"])
        )


def cart_subject(cart_id: UUID) -> str:
    return f"Cart:{cart_id}"
