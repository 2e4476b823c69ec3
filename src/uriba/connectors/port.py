"""The port: what a channel can be told and asked, whatever carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from uriba.connectors.external_orders import ExternalOrder, Unreadable
from uriba.connectors.models import ImportStatus, ValueKind

ROWS_MAX = 500
"""Of one batch."""

ORDERS_MAX = 100
"""Orders of one page, and answers of one acknowledgement."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a SKU has now: units, or a price in minor units."""

    variant_id: int
    sku: str
    value: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of what the book has and the channel has not been told. `number` grows by one with everything that is sent
    to a channel: of two that tell of one SKU the higher one is right, in whatever order they come.
    """

    kind: ValueKind
    number: int
    currency: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row or an order was not taken."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a batch: refused rows by SKU; all others were taken. `doubt`: nobody can tell what became of the
    refused ones. `attempts`: how often it was sent."""

    refused: Mapping[str, Refusal] = field(default_factory=dict)
    doubt: bool = False
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """Orders that the channel has, and where to read on. `source`: what they came in, such as a file's name."""

    orders: Sequence[ExternalOrder | Unreadable]
    cursor: str | None
    more: bool
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an order so far: `order` is the hub's number where it was placed, `refusal` says why it was not,
    or not yet."""

    number: str
    status: ImportStatus
    order: str | None
    refusal: Refusal | None


class ChannelFailed(Exception):
    """The channel took nothing, or nobody knows what it took: the run ends, and another follows.

    `retry_s`: the pause that the channel asks for.
    """

    def __init__(self, reason: str, *, retry_s: float | None = None, attempts: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_s = retry_s
        self.attempts = attempts


class Connector(Protocol):
    """A channel that is written to. Every call may come again with the same content; all raise `ChannelFailed`."""

    async def push(self, batch: Batch) -> Pushed:
        """Tell the channel these values."""

    async def fetch_orders(self, cursor: str | None) -> Page:
        """Orders after a cursor that an earlier page gave; from the beginning where there is none."""

    async def received(self, page: Page, verdicts: Sequence[Verdict]) -> None:
        """The page's orders are kept in the hub: what they came in may go."""

    async def acknowledge(self, number: int, verdicts: Sequence[Verdict]) -> None:
        """Tell what became of orders. `number` as of a batch."""
