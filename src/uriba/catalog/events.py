"""Events of the catalog."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from uriba.outbox import Event, payloads
from uriba.outbox.payloads import Data

Sku = Annotated[str, Meta(description="The variant's SKU.")]


class VariantEvent(Event):
    """An event of a variant."""

    subject_kind = "Variant"


class ProductChanged(VariantEvent):
    """A variant, or the product it belongs to, was created or changed. Sent for each variant concerned."""

    type = "product.changed"

    class Payload(payloads.Payload):
        sku: Sku
        discontinued: Annotated[bool, Meta(description="Whether the variant is no longer sold.")]

    @staticmethod
    def payload(data: Data, key: str) -> ProductChanged.Payload:
        return ProductChanged.Payload(sku=data["sku"], discontinued=data["discontinued"])


def variant_subject(variant_id: int) -> str:
    return f"Variant:{variant_id}"
