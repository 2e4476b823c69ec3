"""The port of connectors: what the hub sends to a channel and fetches from it, whatever the transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from uriba.connectors.enums import ImportStatus, ValueKind
from uriba.connectors.external_orders import ExternalOrder, UnreadableOrder

BATCH_ROWS_MAX = 500
"""Values of one batch."""

ORDERS_MAX = 100
"""Orders of one page, and outcomes of one acknowledgement."""


@dataclass(frozen=True, slots=True)
class ChannelValue:
    """The current value of a SKU: units, or a price in minor units."""

    variant_id: int
    sku: str
    value: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Current values that the channel may not have. `number` grows by one with everything that is sent to a channel: of
    two values of one SKU the one with the higher number is right, in whatever order they arrive.
    """

    kind: ValueKind
    number: int
    currency: str
    rows: Sequence[ChannelValue]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value or an order was refused."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PushResult:
    """The result of a batch. `refused`: refused values by SKU; all others were accepted. `in_doubt`: it is unknown
    whether the refused ones were applied. `attempts`: how often the batch was sent.
    """

    refused: Mapping[str, Refusal] = field(default_factory=dict)
    in_doubt: bool = False
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Orders of a channel, and the cursor to read on with. `source`: what contained them, such as a file's name."""

    orders: Sequence[ExternalOrder | UnreadableOrder]
    cursor: str | None
    more: bool
    source: str | None = None


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """The outcome of an order's import so far. `order`: the hub's order number if it was placed; `refusal`: why it was
    not placed, or not yet.
    """

    number: str
    status: ImportStatus
    order: str | None
    refusal: Refusal | None


class ChannelFailed(Exception):
    """The channel accepted nothing, or it is unknown what it accepted. The run ends, and a later run tries again.

    `retry_after_s`: the pause that the channel asks for.
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None, attempts: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.attempts = attempts


class ConnectorPort(Protocol):
    """The transport to a channel. Every call may be repeated with the same content. Errors: `ChannelFailed`."""

    async def push(self, batch: Batch) -> PushResult:
        """Send values."""

    async def fetch_orders(self, cursor: str | None) -> OrderPage:
        """Return orders after the cursor of an earlier page, or from the beginning without one."""

    async def confirm_received(self, page: OrderPage, outcomes: Sequence[ImportOutcome]) -> None:
        """Let the channel discard what contained the page's orders, which the hub has stored."""

    async def acknowledge(self, number: int, outcomes: Sequence[ImportOutcome]) -> None:
        """Report the outcomes of orders. `number`: as of a batch."""
