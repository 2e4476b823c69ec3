"""Events of prices."""

from __future__ import annotations

from uriba.catalog.events import Sku, VariantEvent
from uriba.outbox import payloads
from uriba.outbox.payloads import Data


class PriceChanged(VariantEvent):
    """A price list has another price for a variant, now or from a later time. Sent once per variant and change."""

    type = "price.changed"

    class Payload(payloads.Payload):
        sku: Sku

    @staticmethod
    def payload(data: Data, key: str) -> PriceChanged.Payload:
        return PriceChanged.Payload(sku=data["sku"])
