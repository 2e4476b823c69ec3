"""The probe: the terminal that all checks use. It sends any event, and reads the stock levels that result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from uriba.till import clock
from uriba.till.errors import TillError
from uriba.till.hub_client import HubClient
from uriba.till.local_catalog import CatalogItem
from uriba.till.protocol import EventLine, EventResult, EventType, SyncAnswer, Tender, TillEvent, total_of

CLOCK_MARGIN = timedelta(seconds=1)
"""The probe's clock is set this far behind the hub's, so that its events are never in the hub's future."""

EPOCH_MIN, EPOCH_MAX = 10**9, 2 * 10**9
"""The range of the probe's random epochs. A till's own epochs, made from the time, reach it in 2051."""

LEVELS_QUERY = (
    "query ($location: String, $skus: [String!]) { stockLevels(location: $location, skus: $skus, first: 100) "
    "{ edges { node { onHand location { code } movements(first: 1) { edges { node { recordedAt } } } } } } }"
)

encode = msgspec.json.Encoder().encode


class CheckFailed(Exception):
    """A check found something other than expected."""


class CheckSkipped(Exception):
    """A check cannot run here, for the reason given."""


@dataclass
class Probe:
    """A terminal that sends what the checks need, and moves the stock of `item` at `location`.

    `clock_offset` is how far its clock is set from this machine's; `behind_hub_max` is how far it then is behind the
    hub's clock at most. `sales` and `parked` note what has to be undone at the end.
    """

    hub: HubClient
    item: CatalogItem
    location: str = ""
    run: str = field(default_factory=lambda: uuid4().hex[:8])
    clock_offset: timedelta = -CLOCK_MARGIN
    behind_hub_max: timedelta = 2 * CLOCK_MARGIN
    sales: list[TillEvent] = field(default_factory=list)
    parked: int = 0
    _numbers: Any = field(default_factory=lambda: count(1))
    _last_time: datetime | None = None

    def now(self) -> datetime:
        """Return the probe's time. It is later at each call, so that later events have later times."""
        time_now = clock.now() + self.clock_offset
        if self._last_time is not None and time_now <= self._last_time:
            time_now = self._last_time + timedelta(milliseconds=1)
        self._last_time = time_now
        return time_now

    def set_clock(self, offset: timedelta, behind_hub_max: timedelta) -> None:
        self.clock_offset, self.behind_hub_max, self._last_time = offset, behind_hub_max, None

    def times(self, number: int) -> list[datetime]:
        """Return this many times in ascending order, all of them in the past when this returns."""
        first = self.now()
        times = [first + timedelta(milliseconds=n) for n in range(number)]
        self._last_time = times[-1]
        time.sleep(number / 1000)
        return times

    def wait_for_hub_clock(self) -> None:
        """Wait until new events are later than what the hub has dated by its own clock."""
        time.sleep(self.behind_hub_max.total_seconds())

    def new_epoch(self) -> int:
        """Return an epoch that was never used."""
        return Random().randrange(EPOCH_MIN, EPOCH_MAX)  # noqa: S311

    def event(
        self, event_type: EventType, quantity: int, *, sequence: int, at: datetime | None = None, **fields: Any
    ) -> TillEvent:
        """Return an event with one line of the item, or of the field `sku`; or with the field `lines`."""
        event_id = f"conform-{self.run}-{next(self._numbers)}"
        lines = fields.pop("lines", None) or (EventLine(fields.pop("sku", self.item.sku), quantity),)
        named = {"event_id": event_id, "occurred_at": at or self.now(), **fields}
        return TillEvent(sequence=sequence, type=event_type, lines=lines, **named)

    def sale(self, quantity: int, *, sequence: int, at: datetime | None = None, **fields: Any) -> TillEvent:
        """Return a sale at the pulled price, paid in cash, with a new receipt number."""
        lines = (EventLine(self.item.sku, quantity, self.item.price),)
        tenders = (Tender("CASH", total_of(lines)),)
        named = {"lines": lines, "tenders": tenders, "receipt": self.new_receipt(), **fields}
        return self.event(EventType.SALE, quantity, sequence=sequence, at=at, **named)

    def new_receipt(self) -> str:
        return f"CONFORM-{self.run}-{next(self._numbers)}"

    def send(self, *events: TillEvent, epoch: int, clock: Callable[[], datetime] | None = None) -> SyncAnswer:
        """Send one batch, and note what has to be undone at the end."""
        answer = self.hub.sync([encode(event) for event in events], epoch=epoch, clock=clock or self.now)
        for event, result in zip(events, answer.results, strict=True):
            self.parked += result.status == "PARKED"
            if event.type == EventType.SALE and result.status == "APPLIED":
                self.sales.append(event)
        return answer

    def on_hand(self) -> int:
        """Return the item's on hand according to the hub."""
        return on_hand_by_location(self.hub, self.item.sku, location=self.location).get(self.location, 0)

    def set_on_hand(self, quantity: int, *, epoch: int | None = None, sequence: int = 1) -> int:
        """Count the item, so that earlier events no longer matter. Return the epoch of the count."""
        epoch = epoch or self.new_epoch()
        answer = self.send(self.event(EventType.COUNT, quantity, sequence=sequence), epoch=epoch)
        expect("status of the count", ["APPLIED"], statuses(answer))
        expect("on hand after the count", quantity, self.on_hand())
        return epoch

    @property
    def revenue(self) -> Decimal:
        return sum((Decimal(event.total) for event in self.sales), Decimal(0))


class StockState(NamedTuple):
    """On hand of a level, and when the hub recorded its last movement, by the hub's clock."""

    on_hand: int
    recorded_at: datetime


def stock_by_location(hub: HubClient, sku: str, *, location: str | None = None) -> dict[str, StockState]:
    """Return the stock of a SKU by location, for at most 100 levels that have movements."""
    edges = hub.execute(LEVELS_QUERY, location=location, skus=[sku])["stockLevels"]["edges"]
    found = {}
    for level in (edge["node"] for edge in edges):
        for movement in level["movements"]["edges"]:
            recorded_at = datetime.fromisoformat(movement["node"]["recordedAt"])
            found[level["location"]["code"]] = StockState(level["onHand"], recorded_at)
    return found


def on_hand_by_location(hub: HubClient, sku: str, *, location: str | None = None) -> dict[str, int]:
    return {code: stock.on_hand for code, stock in stock_by_location(hub, sku, location=location).items()}


def statuses(answer: SyncAnswer) -> list[str]:
    return [result.status.value for result in answer.results]


def error_codes(result: EventResult) -> list[str]:
    return [error.code for error in result.errors]


def gaps(answer: SyncAnswer) -> list[tuple[int, int]]:
    return [(gap.first, gap.last) for gap in answer.missing]


def expect(subject: str, expected: object, actual: object) -> None:
    """Errors: `CheckFailed` if the two differ."""
    if expected != actual:
        raise CheckFailed(f"{subject}: expected {expected}, got {actual}")


def expect_error(kind: type[TillError], action: Callable[[], object]) -> str:
    """Return the message of the error that the action raises. Errors: `CheckFailed` if it raises none."""
    try:
        result = action()
    except kind as error:
        return str(error)
    raise CheckFailed(f"expected the hub to reject this, got {result}")
