"""What the data of each type of event holds: ids, versions and states, and nothing of a person.

These structs are the one source: `schema/webhooks.json`, `schema/asyncapi.json` and `docs/events-reference.md` are made
from them and their docstrings (`reference`), and `payloads` fills them in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from uriba.alerts.models import AlertKind
from uriba.cart.models import CartStatus, FulfillmentMethod
from uriba.fulfillment.models import FulfillmentStatus
from uriba.orders.models import OperationKind, OrderStatus, PaymentStatus

GLOBAL_ID = "^[A-Za-z0-9+/]+={0,2}$"
DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
METHOD = "^[A-Z][A-Z_]{0,31}$"

GlobalId = Annotated[str, Meta(pattern=GLOBAL_ID)]
Version = Annotated[int, Meta(ge=1)]
Units = Annotated[int, Meta(ge=0)]
CartId = Annotated[GlobalId, Meta(description="The cart. Whoever has a guest's may use that cart: keep it.")]
OrderCart = CartId | None
CartVersion = Annotated[
    Version, Meta(description="The cart's version, as in Cart.version and expectedVersion; the event's counts events.")
]
Sku = Annotated[str, Meta(description="The variant's SKU.")]
Moment = Annotated[datetime, Meta(tz=True)]


class Why(StrEnum):
    """Why it happened. OTHER: for a reason that people wrote down; the order's timeline has it."""

    SHORTAGE = "SHORTAGE"
    REJECTED = "REJECTED"
    RECEIPT = "RECEIPT"
    PICKUP_EXPIRED = "PICKUP_EXPIRED"
    CANCELLED = "CANCELLED"
    EXCHANGED = "EXCHANGED"
    RETURNED = "RETURNED"
    SHIPPED = "SHIPPED"
    OTHER = "OTHER"


class Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A part of an event."""


class Money(Struct, frozen=True):
    """An amount in major units at the currency's own scale, such as "1280" JPY or "19.99" USD."""

    amount: Annotated[str, Meta(pattern=DECIMAL)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217.")]


class Payload(Struct, frozen=True):
    """The data of one type of event. `subject` is the kind of what it is about."""

    type: ClassVar[str]
    subject: ClassVar[str]


class CartState(Payload, frozen=True):
    """How the cart is now."""

    subject: ClassVar[str] = "Cart"

    status: CartStatus
    version: CartVersion


class CartCreated(CartState, frozen=True):
    """A cart was begun. A customer who has an active cart gets that one back, and nothing is sent."""

    type: ClassVar[str] = "cart.created"


class CartUpdated(CartState, frozen=True):
    """A cart changed: its lines, owner, coupons or ways of fulfilling; or it is being paid, was given up (EXPIRED), or
    went into another cart (MERGED). Sent once for each change."""

    type: ClassVar[str] = "cart.updated"


class CartHandedOff(CartState, frozen=True):
    """Another device or a till took the cart with a handoff code. Sent when the code is used."""

    type: ClassVar[str] = "cart.handed_off"


class CartMerged(CartState, frozen=True):
    """Another cart's lines came into this one, which lives on. The other one has a cart.updated of its own."""

    type: ClassVar[str] = "cart.merged"


class CartOrdered(CartState, frozen=True):
    """The cart became an order, by a checkout or by a till's sale. Sent once, with the order.placed."""

    type: ClassVar[str] = "cart.ordered"

    order: Annotated[GlobalId, Meta(description="The order that it became.")]


class OfOrder(Payload, frozen=True):
    """What happened to an order."""

    subject: ClassVar[str] = "Order"

    cart: OrderCart


class OrderPlaced(OfOrder, frozen=True):
    """There is a new order: a cart was paid, or a till reported a sale, which is COMPLETED from the start."""

    type: ClassVar[str] = "order.placed"

    status: OrderStatus
    total: Money


class OrderCompleted(OfOrder, frozen=True):
    """All that was not cancelled was handed over or delivered. Sent once."""

    type: ClassVar[str] = "order.completed"

    status: OrderStatus
    reason: Why | None


class OrderCancelled(OfOrder, frozen=True):
    """Nothing of the order will be handed over. Sent once, when its last units are cancelled."""

    type: ClassVar[str] = "order.cancelled"

    status: OrderStatus
    reason: Why | None


class LineUnits(Struct, frozen=True):
    """Units of an order's line."""

    order_line: Annotated[GlobalId, Meta(description="Global id of an OrderLine.")]
    units: Annotated[int, Meta(ge=1)]


class OrderLinesCancelled(OfOrder, frozen=True):
    """Some units of the order will not be handed over; others will be, or were."""

    type: ClassVar[str] = "order.lines_cancelled"

    lines: Annotated[list[LineUnits], Meta(description="The units that this cancels.")]
    reason: Why | None


class FulfillmentUpdated(OfOrder, frozen=True):
    """A part of an order got further, is to be handled elsewhere, or waits for goods. Sent for each part that changed;
    not for those that an order begins with."""

    type: ClassVar[str] = "fulfillment.updated"

    fulfillment: Annotated[GlobalId, Meta(description="Global id of a Fulfillment.")]
    status: FulfillmentStatus
    method: FulfillmentMethod
    location_code: Annotated[str, Meta(description="The location that handles it.")]
    units: Annotated[Units, Meta(description="How many units this part has.")]
    reason: Why | None
    hold_until: Annotated[Moment | None, Meta(description="How long a pickup is kept ready.")]
    has_tracking: Annotated[bool, Meta(description="Whether Fulfillment.tracking says how to follow the parcel.")]


class PaymentUpdated(OfOrder, frozen=True):
    """A payment reached another status: authorised, paid, let go, given back. Sent for each payment with the order, and
    whenever its money moves later. With `failed`, the provider refused to move so much: it is what it was before."""

    type: ClassVar[str] = "payment.updated"

    payment: Annotated[GlobalId, Meta(description="Global id of a Payment.")]
    method: Annotated[
        str, Meta(pattern=METHOD, description="CASH, a provider's name ...; OTHER for a till's own words.")
    ]
    status: PaymentStatus
    amount: Annotated[Money, Meta(description="What was agreed to be paid; with `failed`, what was not moved.")]
    captured: Annotated[Money | None, Meta(description="What was taken so far; null where only the status is told.")]
    refunded: Annotated[Money | None, Meta(description="What was given back so far; null as `captured`.")]
    failed: Annotated[OperationKind | None, Meta(description="The move of money that the provider refused.")]
    reason: Why | None


class ReturnCreated(OfOrder, frozen=True):
    """Units of an order came back, in a return of the hub's or of a till's. Sent when it is known of which order."""

    type: ClassVar[str] = "return.created"

    order_return: Annotated[GlobalId, Meta(description="Global id of a Return.")]
    units: Annotated[Units | None, Meta(description="Null where a till took them back: Order.returns has them.")]
    refund: Annotated[Money | None, Meta(description="What they are worth; null where the event does not say.")]


class StockState(Payload, frozen=True):
    """The whole level as it is now."""

    subject: ClassVar[str] = "StockLevel"

    variant: Annotated[GlobalId, Meta(description="Global id of a Variant.")]
    location: Annotated[GlobalId, Meta(description="Global id of a Location.")]
    on_hand: Annotated[int, Meta(description="What is physically there.")]
    committed: Annotated[Units, Meta(description="Promised to orders, not handed over yet.")]
    reserved: Annotated[Units, Meta(description="Held for carts that are being paid.")]
    unavailable: Annotated[Units, Meta(description="Damaged, on display, in inspection.")]
    safety_stock: Annotated[int, Meta(description="Kept for the location's own tills.")]
    incoming: Annotated[Units, Meta(description="On its way here.")]
    available: Annotated[int, Meta(description="onHand - unavailable - committed - reserved - safetyStock.")]
    shortage: Annotated[Units, Meta(description="Units promised that are not there.")]


class StockChanged(StockState, frozen=True):
    """A stock level changed, whatever changed it. An endpoint that lags gets the newest for several: `coalesced`."""

    type: ClassVar[str] = "stock.changed"


class ShortageOpened(StockState, frozen=True):
    """Facts took away units that were promised, or more of them. Sent after the stock.changed of the same change."""

    type: ClassVar[str] = "shortage.opened"


class ShortageSettled(StockState, frozen=True):
    """A shortage became smaller, or ended (`shortage` is 0). Sent after the stock.changed of the same change."""

    type: ClassVar[str] = "shortage.settled"


class ProductChanged(Payload, frozen=True):
    """A variant, or the product it belongs to, was made or changed. Sent for each variant concerned."""

    type: ClassVar[str] = "product.changed"
    subject: ClassVar[str] = "Variant"

    sku: Sku
    discontinued: Annotated[bool, Meta(description="Whether it is sold no more.")]


class PriceChanged(Payload, frozen=True):
    """A price list has another price for a variant, now or from a time on. Sent once per variant and change."""

    type: ClassVar[str] = "price.changed"
    subject: ClassVar[str] = "Variant"

    sku: Sku


class TerminalSynced(Payload, frozen=True):
    """A till brought facts that the hub did not have. Sent once for each batch with news."""

    type: ClassVar[str] = "terminal.synced"
    subject: ClassVar[str] = "Terminal"

    epoch: Annotated[int, Meta(ge=1, description="The life of the till's journal.")]
    acknowledged: Annotated[int, Meta(ge=0, description="Every sequence of this epoch up to here is safe.")]
    applied: Annotated[Units, Meta(description="New facts of this batch that were applied.")]
    parked: Annotated[Units, Meta(description="New facts of this batch that wait for repair.")]


class EndpointTested(Payload, frozen=True):
    """Somebody wants to see whether an endpoint hears. Sent to that endpoint only."""

    type: ClassVar[str] = "endpoint.test"
    subject: ClassVar[str] = "Endpoint"


class AlertState(Payload, frozen=True):
    """What has to be looked at."""

    subject: ClassVar[str] = "Alert"

    kind: Annotated[AlertKind, Meta(description="What people are told of.")]
    about: Annotated[
        GlobalId, Meta(description="The terminal, endpoint, stock level, location or feed that it is about.")
    ]
    location_code: Annotated[str | None, Meta(description="Where; null where it is about no location.")]
    value: Annotated[float, Meta(description="What was measured when it was opened: seconds or units, by kind.")]
    threshold: Annotated[float, Meta(description="What opens it.")]


class AlertOpened(AlertState, frozen=True):
    """Somebody has to look at something. Sent once until it is well again."""

    type: ClassVar[str] = "alert.opened"


class AlertClosed(AlertState, frozen=True):
    """It is well again, and was so for a while."""

    type: ClassVar[str] = "alert.closed"


PAYLOADS: Mapping[str, type[Payload]] = {
    payload.type: payload
    for payload in (
        CartCreated,
        CartUpdated,
        CartHandedOff,
        CartMerged,
        CartOrdered,
        OrderPlaced,
        PaymentUpdated,
        FulfillmentUpdated,
        OrderLinesCancelled,
        OrderCompleted,
        OrderCancelled,
        ReturnCreated,
        StockChanged,
        ShortageOpened,
        ShortageSettled,
        ProductChanged,
        PriceChanged,
        TerminalSynced,
        AlertOpened,
        AlertClosed,
        EndpointTested,
    )
}
"""By type of event."""

COALESCED = frozenset({StockChanged.type})
"""Types of which one may stand for several."""
