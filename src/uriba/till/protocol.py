"""The types of the protocol: inputs and answers of posSync, pages of posPull, and the two GraphQL documents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec


class EventType(StrEnum):
    """The types of events."""

    SALE = "SALE"
    RETURN = "RETURN"
    RECEIPT = "RECEIPT"
    ADJUSTMENT = "ADJUSTMENT"
    COUNT = "COUNT"
    DAMAGE = "DAMAGE"


class EventStatus(StrEnum):
    """The hub's verdict on an event."""

    APPLIED = "APPLIED"
    DUPLICATE = "DUPLICATE"
    PARKED = "PARKED"


class EventLine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Units of one SKU or barcode. Amounts are decimal strings in major units, tax included, as printed."""

    sku: str
    quantity: int
    unit_price: str | None = None
    discount: str = "0"

    @property
    def total(self) -> Decimal:
        return Decimal(self.unit_price or 0) * self.quantity - Decimal(self.discount)


class Tender(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One way of paying: money taken for a sale, or paid back for a return."""

    method: str
    amount: str
    reference: str | None = None


class TillEvent(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that happened, dated by the till's clock. It never changes after it is in the journal."""

    event_id: str
    sequence: int
    type: str
    occurred_at: datetime
    lines: tuple[EventLine, ...]
    receipt: str | None = None
    original_receipt: str | None = None
    tenders: tuple[Tender, ...] | None = None
    loyalty_card: str | None = None
    cart_id: str | None = None

    @property
    def total(self) -> str:
        return total_of(self.lines)


def total_of(lines: Iterable[EventLine]) -> str:
    """Return the sum of the lines' totals as a decimal string."""
    return format(sum((line.total for line in lines), Decimal(0)), "f")


class UserError(msgspec.Struct, frozen=True):
    """An error or a warning of the hub about an event or a batch."""

    code: str
    message: str
    path: list[str] | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" ({'.'.join(self.path)})" if self.path else "")


class EventResult(msgspec.Struct, frozen=True, rename="camel"):
    """The hub's answer to one event."""

    event_id: str
    status: EventStatus
    errors: list[UserError]
    warnings: list[UserError] = []


class SequenceRange(msgspec.Struct, frozen=True, rename={"first": "from", "last": "to"}):
    """The sequences from `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


class SyncAnswer(msgspec.Struct, frozen=True):
    """The hub's answer to a batch."""

    results: list[EventResult]
    acknowledged: int
    missing: list[SequenceRange]
    shortages: int
    errors: list[UserError]


class PullPage(msgspec.Struct, frozen=True):
    """One page of posPull. An entry is kept as received, under its kind and key."""

    entries: list[dict[str, Any]]
    cursor: str
    more: bool


SYNC_MUTATION = (
    "mutation Sync($input: PosSyncInput!) { posSync(input: $input) { "
    "results { eventId status errors { code message path } warnings { code message path } } "
    "acknowledged missing { from to } shortages errors { code message path } } }"
)

PULL_QUERY = (
    "query Pull($cursor: String, $first: Int!) { posPull(cursor: $cursor, first: $first) { cursor more entries { "
    "kind key "
    "variant { sku barcode name taxClass discontinued "
    "prices { amount { amount currency } channel location validFrom validTo } } "
    "stock { onHand available committed reserved unavailable version } "
    "taxes { taxClass rate } carts { id version quantity } revocations } } }"
)
