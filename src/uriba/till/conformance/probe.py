"""What every check works with: a terminal that sends what it likes, and looks at what became of it."""

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

from uriba.core import clock
from uriba.till.errors import TillError
from uriba.till.events import Event, Kind, Line, Result, Synced, Tender, amount_of
from uriba.till.hub import Hub
from uriba.till.shelf import Good

BEHIND = timedelta(seconds=1)
"""This terminal's clock is a little behind, so that its facts are never from the hub's future."""

EPOCH_MIN, EPOCH_MAX = 10**9, 2 * 10**9
"""Where the epochs of these checks are drawn from: a till's own, made from the time, come there in 2051."""

LEVELS = (
    "query ($location: String, $skus: [String!]) { stockLevels(location: $location, skus: $skus, first: 100) "
    "{ edges { node { onHand location { code } movements(first: 1) { edges { node { recordedAt } } } } } } }"
)


class Unmet(Exception):
    """A check does not hold: what was expected, and what was seen."""


class Skipped(Exception):
    """A check cannot be made here."""


@dataclass
class Probe:
    """A terminal under its own steam. `good`: whose stock it moves, at its `location`. `offset`: how far its clock is
    set from this machine's; `behind`: how far behind the hub's it then is at most.
    """

    hub: Hub
    good: Good
    location: str = ""
    run: str = field(default_factory=lambda: uuid4().hex[:8])
    offset: timedelta = -BEHIND
    behind: timedelta = 2 * BEHIND
    sold: list[Event] = field(default_factory=list)
    parked: int = 0
    _numbers: Any = field(default_factory=lambda: count(1))
    _last: datetime | None = None

    def now(self) -> datetime:
        """The terminal's time: never the same twice, so that what comes later is later."""
        moment = clock.now() + self.offset
        if self._last is not None and moment <= self._last:
            moment = self._last + timedelta(milliseconds=1)
        self._last = moment
        return moment

    def set_clock(self, offset: timedelta, behind: timedelta) -> None:
        """Go by another clock from now on."""
        self.offset, self.behind, self._last = offset, behind, None

    def moments(self, number: int) -> list[datetime]:
        """So many moments, one after the other, all of them past when this returns."""
        first = self.now()
        found = [first + timedelta(milliseconds=n) for n in range(number)]
        self._last = found[-1]
        time.sleep(number / 1000)
        return found

    def pass_hubs_clock(self) -> None:
        """Wait until what happens from now on is later than what the hub has dated by its own clock."""
        time.sleep(self.behind.total_seconds())

    def epoch(self) -> int:
        """An epoch that nobody has used."""
        return Random().randrange(EPOCH_MIN, EPOCH_MAX)  # noqa: S311

    def event(self, kind: Kind, quantity: int, *, sequence: int, at: datetime | None = None, **given: Any) -> Event:
        """An event on the good, unless `lines` says otherwise."""
        number = next(self._numbers)
        named = {"event_id": f"conform-{self.run}-{number}", "occurred_at": at or self.now()}
        lines = given.pop("lines", None) or (Line(given.pop("sku", self.good.sku), quantity),)
        return Event(sequence=sequence, type=kind, lines=lines, **{**named, **given})

    def sale(self, quantity: int, *, sequence: int, at: datetime | None = None, **given: Any) -> Event:
        """A sale at the pulled price, in cash, with a receipt of its own."""
        lines = (Line(self.good.sku, quantity, self.good.price),)
        said = {"lines": lines, "tenders": (Tender("CASH", amount_of(lines)),), "receipt": self.receipt(), **given}
        return self.event(Kind.SALE, quantity, sequence=sequence, at=at, **said)

    def receipt(self) -> str:
        return f"CONFORM-{self.run}-{next(self._numbers)}"

    def send(self, *events: Event, epoch: int, clock: Callable[[], datetime] | None = None) -> Synced:
        """One batch; notes what it has to put back at the end."""
        answer = self.hub.sync([encode(event) for event in events], epoch=epoch, clock=clock or self.now)
        for event, result in zip(events, answer.results, strict=True):
            self.parked += result.status == "PARKED"
            if event.type == Kind.SALE and result.status == "APPLIED":
                self.sold.append(event)
        return answer

    def on_hand(self) -> int:
        """What the hub says is on hand now."""
        return levels(self.hub, self.good.sku, location=self.location).get(self.location, 0)

    def counted(self, quantity: int, *, epoch: int | None = None, sequence: int = 1) -> int:
        """Count the good, so that nothing from before matters. The epoch that it was said in."""
        epoch = epoch or self.epoch()
        answer = self.send(self.event(Kind.COUNT, quantity, sequence=sequence), epoch=epoch)
        expect("the count is applied", ["APPLIED"], statuses(answer))
        expect("on hand after the count", quantity, self.on_hand())
        return epoch

    @property
    def takings(self) -> Decimal:
        return sum((Decimal(event.total) for event in self.sold), Decimal(0))


encode = msgspec.json.Encoder().encode


class State(NamedTuple):
    """A level: what is on hand, and when it was moved last, by the hub's clock."""

    on_hand: int
    recorded_at: datetime


def states(hub: Hub, sku: str, *, location: str | None = None) -> dict[str, State]:
    """The levels of a good by location, of the first hundred that were ever moved."""
    edges = hub.ask(LEVELS, location=location, skus=[sku])["stockLevels"]["edges"]
    found = {}
    for node in (edge["node"] for edge in edges):
        for last in node["movements"]["edges"]:
            moved_at = datetime.fromisoformat(last["node"]["recordedAt"])
            found[node["location"]["code"]] = State(node["onHand"], moved_at)
    return found


def levels(hub: Hub, sku: str, *, location: str | None = None) -> dict[str, int]:
    """On hand by location."""
    return {code: state.on_hand for code, state in states(hub, sku, location=location).items()}


def statuses(answer: Synced) -> list[str]:
    return [result.status.value for result in answer.results]


def codes(result: Result) -> list[str]:
    return [problem.code for problem in result.errors]


def gaps(answer: Synced) -> list[tuple[int, int]]:
    return [(gap.first, gap.last) for gap in answer.missing]


def expect(what: str, wanted: object, seen: object) -> None:
    """Errors: `Unmet` where they differ."""
    if wanted != seen:
        raise Unmet(f"{what}: expected {wanted}, saw {seen}")


def refused(kind: type[TillError], act: Callable[[], object]) -> str:
    """The sentence with which the hub refuses. Errors: `Unmet` where it does not."""
    try:
        seen = act()
    except kind as error:
        return str(error)
    raise Unmet(f"expected a refusal, saw {seen}")
