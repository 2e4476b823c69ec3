"""Events of fulfillments. Their subject is the order; each is also a line of the order's timeline."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from uriba.cart.enums import FulfillmentMethod
from uriba.core.ids import global_id
from uriba.fulfillment.enums import FulfillmentStatus
from uriba.orders.events import OrderEvent, OrderPayload, Why, cart_of, in_parentheses, units_text, were, why
from uriba.outbox.payloads import Data, GlobalId, Moment, Units


class FulfillmentUpdated(OrderEvent):
    """A fulfillment reached another status, moved to another location, or waits for goods. Sent for each fulfillment
    that changed; not for those that an order begins with."""

    type = "fulfillment.updated"

    class Payload(OrderPayload):
        fulfillment: Annotated[GlobalId, Meta(description="Global id of a Fulfillment.")]
        status: FulfillmentStatus
        method: FulfillmentMethod
        location_code: Annotated[str, Meta(description="The location that handles the fulfillment.")]
        units: Annotated[Units, Meta(description="Units of the fulfillment.")]
        reason: Why | None
        hold_until: Annotated[Moment | None, Meta(description="Until when a pickup is kept ready.")]
        has_tracking: Annotated[bool, Meta(description="Whether Fulfillment.tracking has a tracking number or URL.")]

    @staticmethod
    def payload(data: Data, key: str) -> FulfillmentUpdated.Payload:
        return FulfillmentUpdated.Payload(
            cart=cart_of(data),
            fulfillment=global_id("Fulfillment", data["fulfillment"]),
            status=data["status"],
            method=data["method"],
            location_code=data["location"],
            units=data["units"],
            reason=why(data),
            hold_until=data.get("holdUntil"),
            has_tracking=bool(data.get("tracking")),
        )

    @staticmethod
    def message(data: Data) -> str:
        count, location, reason = data["units"], data["location"], in_parentheses(data)
        units = units_text(count)
        match data["status"]:
            case FulfillmentStatus.ALLOCATED:
                return f"{units} {were(count)} allocated at {location}{reason}."
            case FulfillmentStatus.BACKORDERED:
                return f"{units} {were(count)} back-ordered at {location}{reason}."
            case FulfillmentStatus.PICKED:
                return f"{location} picked {units}."
            case FulfillmentStatus.READY_FOR_PICKUP:
                until = f" until {str(data['holdUntil'])[:10]}" if data.get("holdUntil") else ""
                return f"{units} {'is' if count == 1 else 'are'} ready for pickup at {location}{until}."
            case FulfillmentStatus.HANDED_OVER:
                return f"{location} handed over {units}."
            case FulfillmentStatus.SHIPPED:
                tracking = f", tracking {data['tracking']}" if data.get("tracking") else ""
                return f"{location} shipped {units}{tracking}."
            case FulfillmentStatus.DELIVERED:
                return f"{units} from {location} {were(count)} delivered."
            case FulfillmentStatus.REJECTED:
                return f"{location} rejected {units}{reason}."
            case FulfillmentStatus.CANCELLED:
                return f"{units} at {location} {were(count)} cancelled{reason}."
            case status:
                return f"{units} at {location}: {status}."
