"""What others hear of prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from uriba.outbox import Event


@dataclass(frozen=True, slots=True)
class PriceChanged(Event):
    """A price list has another price for a variant, now or from a time on."""

    type: ClassVar[str] = "price.changed"
