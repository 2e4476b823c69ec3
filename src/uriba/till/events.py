"""What a till reports, as it goes over the wire: posSync's inputs and answers, and posPull's entries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec


class Kind(StrEnum):
    """What happened at the till."""

    SALE = "SALE"
    RETURN = "RETURN"
    RECEIPT = "RECEIPT"
    ADJUSTMENT = "ADJUSTMENT"
    COUNT = "COUNT"
    DAMAGE = "DAMAGE"


class Status(StrEnum):
    """What became of an event at the hub."""

    APPLIED = "APPLIED"
    DUPLICATE = "DUPLICATE"
    PARKED = "PARKED"


class Line(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Units of a SKU or barcode; amounts in major units, tax included, as they were printed."""

    sku: str
    quantity: int
    unit_price: str | None = None
    discount: str = "0"

    @property
    def total(self) -> Decimal:
        return Decimal(self.unit_price or 0) * self.quantity - Decimal(self.discount)


class Tender(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Money taken, or given back."""

    method: str
    amount: str
    reference: str | None = None


class Event(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that happened, by the till's own clock. It never changes once it is written down."""

    event_id: str
    sequence: int
    type: str
    occurred_at: datetime
    lines: tuple[Line, ...]
    receipt: str | None = None
    original_receipt: str | None = None
    tenders: tuple[Tender, ...] | None = None
    loyalty_card: str | None = None
    cart_id: str | None = None

    @property
    def total(self) -> str:
        return amount_of(self.lines)


def amount_of(lines: Iterable[Line]) -> str:
    """What lines cost together, as a plain decimal."""
    return format(sum((line.total for line in lines), Decimal(0)), "f")


class Problem(msgspec.Struct, frozen=True):
    """What a hub says about an event or a batch."""

    code: str
    message: str
    path: list[str] | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" ({'.'.join(self.path)})" if self.path else "")


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one event."""

    event_id: str
    status: Status
    errors: list[Problem]
    warnings: list[Problem] = []


class Range(msgspec.Struct, frozen=True, rename={"first": "from", "last": "to"}):
    """Sequences from `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


class Synced(msgspec.Struct, frozen=True):
    """The hub's answer to a batch."""

    results: list[Result]
    acknowledged: int
    missing: list[Range]
    shortages: int
    errors: list[Problem]


class Pulled(msgspec.Struct, frozen=True):
    """One page of the state that a till keeps. An entry is kept as it came, under its kind and key."""

    entries: list[dict[str, Any]]
    cursor: str
    more: bool


SYNC = (
    "mutation Sync($input: PosSyncInput!) { posSync(input: $input) { "
    "results { eventId status errors { code message path } warnings { code message path } } "
    "acknowledged missing { from to } shortages errors { code message path } } }"
)

PULL = (
    "query Pull($cursor: String, $first: Int!) { posPull(cursor: $cursor, first: $first) { cursor more entries { "
    "kind key "
    "variant { sku barcode name taxClass discontinued "
    "prices { amount { amount currency } channel location validFrom validTo } } "
    "stock { onHand available committed reserved unavailable version } "
    "taxes { taxClass rate } carts { id version quantity } revocations } } }"
)
