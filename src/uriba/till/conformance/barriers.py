"""Checks of counts and clocks: when something happened decides what it does, not when it is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

from uriba.till.conformance.probe import Probe, expect, statuses
from uriba.till.events import Event, Kind

PERMUTATIONS = 8
WRONG = timedelta(minutes=40)
LONG_BEFORE = timedelta(seconds=30)
"""More than a hub may err when it corrects a clock."""


def any_order(probe: Probe) -> str:
    """The same facts end in the same level, in whatever order, batches and repetition they come."""
    dice = Random(probe.run)  # noqa: S311
    ends = []
    for _ in range(PERMUTATIONS):
        epoch, facts = probe.epoch(), _day(probe)
        dice.shuffle(facts)
        facts += dice.sample(facts, k=4)
        size = dice.randint(1, 5)
        for first in range(0, len(facts), size):
            probe.send(*facts[first : first + size], epoch=epoch)
        ends.append(probe.on_hand())
    expect(f"on hand after {PERMUTATIONS} permutations", [46] * PERMUTATIONS, ends)
    return f"{PERMUTATIONS} permutations of 10 facts, 4 of them twice: 46 each time"


def _day(probe: Probe) -> list[Event]:
    """A count of 100, some trade, a count of 40 in the middle, some trade: 46 at the end."""
    facts: list[tuple[Kind, int]] = [
        (Kind.COUNT, 100),
        (Kind.RECEIPT, 20),
        (Kind.ADJUSTMENT, -7),
        (Kind.RECEIPT, 5),
        (Kind.ADJUSTMENT, -1),
        (Kind.COUNT, 40),
        (Kind.RECEIPT, 12),
        (Kind.ADJUSTMENT, -9),
        (Kind.ADJUSTMENT, 2),
        (Kind.RECEIPT, 1),
    ]
    moments = probe.moments(len(facts))
    return [
        probe.event(kind, quantity, sequence=n, at=at)
        for n, ((kind, quantity), at) in enumerate(zip(facts, moments, strict=True), 1)
    ]


def late_sale(probe: Probe) -> str:
    """A sale from before a count, told after it, is applied and changes nothing: the count has seen it."""
    before, counted = probe.moments(2)
    epoch = probe.epoch()
    probe.send(probe.event(Kind.COUNT, 40, sequence=2, at=counted), epoch=epoch)
    answer = probe.send(probe.sale(3, sequence=1, at=before), epoch=epoch)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("on hand", 40, probe.on_hand())
    return "40 counted, 3 sold before: 40"


def late_count(probe: Probe) -> str:
    """A count that is told late keeps what happened after it."""
    counted, after = probe.moments(2)
    epoch = probe.epoch()
    probe.send(probe.event(Kind.RECEIPT, 6, sequence=2, at=after), epoch=epoch)
    probe.send(probe.event(Kind.COUNT, 40, sequence=1, at=counted), epoch=epoch)
    expect("on hand", 46, probe.on_hand())
    return "6 received, then 40 told that were counted before: 46"


def older_count(probe: Probe) -> str:
    """Of two counts the one that happened later holds, whichever is told last."""
    older, newer = probe.moments(2)
    epoch = probe.epoch()
    probe.send(probe.event(Kind.COUNT, 70, sequence=2, at=newer), epoch=epoch)
    probe.send(probe.event(Kind.COUNT, 10, sequence=1, at=older), epoch=epoch)
    expect("on hand", 70, probe.on_hand())
    return "70 counted last, 10 told last: 70"


def same_moment(probe: Probe) -> str:
    """Facts of one moment are ordered by their sequence."""
    (moment,) = probe.moments(1)
    epoch = probe.epoch()
    events = [
        probe.event(Kind.RECEIPT, 5, sequence=1, at=moment),
        probe.event(Kind.COUNT, 40, sequence=2, at=moment),
        probe.event(Kind.RECEIPT, 1, sequence=3, at=moment),
    ]
    for event in reversed(events):
        probe.send(event, epoch=epoch)
    expect("on hand", 41, probe.on_hand())
    return "5 received, 40 counted, 1 received, told backwards: 41"


def clock_ahead(probe: Probe) -> str:
    """A clock that is 40 minutes ahead is corrected by sentAt, and the hub says so."""
    return _wrong_clock(probe, WRONG)


def clock_behind(probe: Probe) -> str:
    """A clock that is 40 minutes behind is corrected by sentAt, and the hub says so."""
    return _wrong_clock(probe, -WRONG)


def _wrong_clock(probe: Probe, ahead: timedelta) -> str:
    """A receipt, a count, a receipt: the count is told by a right clock, the others by a wrong one."""
    counted = probe.now()
    probe.send(probe.event(Kind.COUNT, 40, sequence=1, at=counted), epoch=probe.epoch())
    wrong = probe.epoch()
    receipts = [
        probe.event(Kind.RECEIPT, 5, sequence=1, at=counted - LONG_BEFORE + ahead),
        probe.event(Kind.RECEIPT, 1, sequence=2, at=probe.now() + ahead),
    ]
    answer = probe.send(*receipts, epoch=wrong, clock=lambda: probe.now() + ahead)
    expect("statuses", ["APPLIED", "APPLIED"], statuses(answer))
    expect("warned", True, all(result.warnings for result in answer.results))
    expect("on hand", 41, probe.on_hand())
    probe.pass_hubs_clock()
    return answer.results[0].warnings[0].message


def clock_nearly_right(probe: Probe) -> str:
    """A clock that is a minute wrong is left alone, without a warning."""
    epoch = probe.counted(40)
    behind = timedelta(minutes=-1)
    event = probe.event(Kind.RECEIPT, 5, sequence=2, at=probe.now() + behind)
    answer = probe.send(event, epoch=epoch, clock=lambda: probe.now() + behind)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("warnings", [], answer.results[0].warnings)
    expect("on hand", 40, probe.on_hand())
    return "40 counted, 5 received a minute before by such a clock: 40"


def future(probe: Probe) -> str:
    """A count from next year is taken as of now: what happens from now on counts."""
    epoch = probe.epoch()
    answer = probe.send(probe.event(Kind.COUNT, 40, sequence=1, at=probe.now() + timedelta(days=365)), epoch=epoch)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("warned", True, bool(answer.results[0].warnings))
    probe.pass_hubs_clock()
    probe.send(probe.event(Kind.RECEIPT, 2, sequence=2), epoch=epoch)
    expect("on hand", 42, probe.on_hand())
    return answer.results[0].warnings[-1].message


def long_ago(probe: Probe) -> str:
    """A sale from a year ago is kept, and changes no level that was counted since."""
    epoch = probe.counted(40)
    answer = probe.send(probe.sale(1, sequence=2, at=probe.now() - timedelta(days=365)), epoch=epoch)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("on hand", 40, probe.on_hand())
    return "40 counted, 1 sold a year before: 40"


CHECKS: tuple[Callable[[Probe], str], ...] = (
    any_order,
    late_sale,
    late_count,
    older_count,
    same_moment,
    clock_ahead,
    clock_behind,
    clock_nearly_right,
    future,
    long_ago,
)
