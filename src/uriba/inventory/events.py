"""Events of stock levels. The ledger writes them in SQL, in the statement of the change: see `ledger_sql`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from uriba.core.ids import global_id
from uriba.outbox import Event
from uriba.outbox.payloads import Data, GlobalId, Payload, Units


class StockLevelPayload(Payload):
    """The whole level after the event."""

    variant: Annotated[GlobalId, Meta(description="Global id of a Variant.")]
    location: Annotated[GlobalId, Meta(description="Global id of a Location.")]
    on_hand: Annotated[int, Meta(description="Units that are physically there.")]
    committed: Annotated[Units, Meta(description="Units promised to orders and not handed over yet.")]
    reserved: Annotated[Units, Meta(description="Units held for carts that are being paid.")]
    unavailable: Annotated[Units, Meta(description="Units that are damaged, on display or in inspection.")]
    safety_stock: Annotated[int, Meta(description="Units kept for the location's own tills.")]
    incoming: Annotated[Units, Meta(description="Units on their way to the location.")]
    available: Annotated[int, Meta(description="onHand - unavailable - committed - reserved - safetyStock.")]
    shortage: Annotated[Units, Meta(description="Units that are promised but missing.")]


class StockLevelEvent(Event):
    """An event of a stock level."""

    subject_kind = "StockLevel"
    Payload = StockLevelPayload

    @staticmethod
    def payload(data: Data, key: str) -> StockLevelPayload:
        variant, _, location = key.partition(":")
        on_hand, committed, reserved = data["onHand"], data["committed"], data["reserved"]
        unavailable, safety_stock = data["unavailable"], data["safetyStock"]
        return StockLevelPayload(
            variant=global_id("Variant", variant),
            location=global_id("Location", location),
            on_hand=on_hand,
            committed=committed,
            reserved=reserved,
            unavailable=unavailable,
            safety_stock=safety_stock,
            incoming=data["incoming"],
            available=on_hand - unavailable - committed - reserved - safety_stock,
            shortage=data["shortage"],
        )


class StockChanged(StockLevelEvent):
    """A stock level changed, for any reason. An endpoint that lags gets the newest event for several: `coalesced`."""

    type = "stock.changed"
    coalesced = True


class ShortageOpened(StockLevelEvent):
    """Promised units went missing, or more of them did. Sent after the stock.changed of the same change."""

    type = "shortage.opened"


class ShortageSettled(StockLevelEvent):
    """A shortage became smaller, or ended (`shortage` is 0). Sent after the stock.changed of the same change."""

    type = "shortage.settled"
