"""What others hear of the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from uriba.outbox import Event


@dataclass(frozen=True, slots=True)
class ProductChanged(Event):
    """A variant, or the product it belongs to, was made or changed."""

    type: ClassVar[str] = "product.changed"


def variant_subject(variant_id: int) -> str:
    return f"Variant:{variant_id}"
