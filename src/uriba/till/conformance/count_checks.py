"""Checks of counts and clocks: the time of an event decides its effect, not the time of its arrival."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

from uriba.till.conformance.probe import Probe, expect, statuses
from uriba.till.protocol import EventType, TillEvent

PERMUTATIONS = 8
CLOCK_SKEW = timedelta(minutes=40)
WELL_BEFORE = timedelta(seconds=30)
"""More than the error that a hub may make when it corrects a clock."""


def any_order(probe: Probe) -> str:
    """The same events end in the same level, whatever their order, batches and repetition."""
    random = Random(probe.run)  # noqa: S311
    results = []
    for _ in range(PERMUTATIONS):
        epoch, events = probe.new_epoch(), _ten_events(probe)
        random.shuffle(events)
        events += random.sample(events, k=4)
        batch_size = random.randint(1, 5)
        for first in range(0, len(events), batch_size):
            probe.send(*events[first : first + batch_size], epoch=epoch)
        results.append(probe.on_hand())
    expect(f"on hand after {PERMUTATIONS} permutations", [46] * PERMUTATIONS, results)
    return f"{PERMUTATIONS} permutations of 10 events, 4 of them sent twice: on hand is 46 each time"


def _ten_events(probe: Probe) -> list[TillEvent]:
    """Return a count of 100, some movements, a count of 40, and some movements: on hand ends as 46."""
    quantities: list[tuple[EventType, int]] = [
        (EventType.COUNT, 100),
        (EventType.RECEIPT, 20),
        (EventType.ADJUSTMENT, -7),
        (EventType.RECEIPT, 5),
        (EventType.ADJUSTMENT, -1),
        (EventType.COUNT, 40),
        (EventType.RECEIPT, 12),
        (EventType.ADJUSTMENT, -9),
        (EventType.ADJUSTMENT, 2),
        (EventType.RECEIPT, 1),
    ]
    times = probe.times(len(quantities))
    return [
        probe.event(event_type, quantity, sequence=sequence, at=at)
        for sequence, ((event_type, quantity), at) in enumerate(zip(quantities, times, strict=True), 1)
    ]


def late_sale(probe: Probe) -> str:
    """A sale from before a count that arrives after it is applied, and does not change on hand."""
    sold_at, counted_at = probe.times(2)
    epoch = probe.new_epoch()
    probe.send(probe.event(EventType.COUNT, 40, sequence=2, at=counted_at), epoch=epoch)
    answer = probe.send(probe.sale(3, sequence=1, at=sold_at), epoch=epoch)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("on hand", 40, probe.on_hand())
    return "40 counted, 3 sold before the count: on hand is 40"


def late_count(probe: Probe) -> str:
    """A count that arrives late keeps the effect of the events after it."""
    counted_at, received_at = probe.times(2)
    epoch = probe.new_epoch()
    probe.send(probe.event(EventType.RECEIPT, 6, sequence=2, at=received_at), epoch=epoch)
    probe.send(probe.event(EventType.COUNT, 40, sequence=1, at=counted_at), epoch=epoch)
    expect("on hand", 46, probe.on_hand())
    return "a receipt of 6 arrives, then an earlier count of 40: on hand is 46"


def older_count(probe: Probe) -> str:
    """Of two counts the later one is valid, whichever arrives last."""
    older, newer = probe.times(2)
    epoch = probe.new_epoch()
    probe.send(probe.event(EventType.COUNT, 70, sequence=2, at=newer), epoch=epoch)
    probe.send(probe.event(EventType.COUNT, 10, sequence=1, at=older), epoch=epoch)
    expect("on hand", 70, probe.on_hand())
    return "a count of 70 arrives, then an earlier count of 10: on hand is 70"


def same_time(probe: Probe) -> str:
    """Events of the same time are ordered by their sequence."""
    (at,) = probe.times(1)
    epoch = probe.new_epoch()
    events = [
        probe.event(EventType.RECEIPT, 5, sequence=1, at=at),
        probe.event(EventType.COUNT, 40, sequence=2, at=at),
        probe.event(EventType.RECEIPT, 1, sequence=3, at=at),
    ]
    for event in reversed(events):
        probe.send(event, epoch=epoch)
    expect("on hand", 41, probe.on_hand())
    return "5 received, 40 counted, 1 received, sent in reverse: on hand is 41"


def clock_ahead(probe: Probe) -> str:
    """A clock that is 40 minutes ahead is corrected by sentAt, with a warning."""
    return _wrong_clock(probe, CLOCK_SKEW)


def clock_behind(probe: Probe) -> str:
    """A clock that is 40 minutes behind is corrected by sentAt, with a warning."""
    return _wrong_clock(probe, -CLOCK_SKEW)


def _wrong_clock(probe: Probe, skew: timedelta) -> str:
    """Send a count by a right clock, then a receipt from before and one from after it by a wrong clock."""
    counted_at = probe.now()
    probe.send(probe.event(EventType.COUNT, 40, sequence=1, at=counted_at), epoch=probe.new_epoch())
    epoch = probe.new_epoch()
    receipts = [
        probe.event(EventType.RECEIPT, 5, sequence=1, at=counted_at - WELL_BEFORE + skew),
        probe.event(EventType.RECEIPT, 1, sequence=2, at=probe.now() + skew),
    ]
    answer = probe.send(*receipts, epoch=epoch, clock=lambda: probe.now() + skew)
    expect("statuses", ["APPLIED", "APPLIED"], statuses(answer))
    expect("has warnings", True, all(result.warnings for result in answer.results))
    expect("on hand", 41, probe.on_hand())
    probe.wait_for_hub_clock()
    return answer.results[0].warnings[0].message


def small_clock_skew(probe: Probe) -> str:
    """A clock that is a minute wrong is not corrected, and there is no warning."""
    epoch = probe.set_on_hand(40)
    skew = timedelta(minutes=-1)
    event = probe.event(EventType.RECEIPT, 5, sequence=2, at=probe.now() + skew)
    answer = probe.send(event, epoch=epoch, clock=lambda: probe.now() + skew)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("warnings", [], answer.results[0].warnings)
    expect("on hand", 40, probe.on_hand())
    return "40 counted, 5 received a minute before by this clock: on hand is 40"


def future_count(probe: Probe) -> str:
    """A count dated a year ahead is dated as now, with a warning; events after it change on hand."""
    epoch = probe.new_epoch()
    in_a_year = probe.now() + timedelta(days=365)
    answer = probe.send(probe.event(EventType.COUNT, 40, sequence=1, at=in_a_year), epoch=epoch)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("has warnings", True, bool(answer.results[0].warnings))
    probe.wait_for_hub_clock()
    probe.send(probe.event(EventType.RECEIPT, 2, sequence=2), epoch=epoch)
    expect("on hand", 42, probe.on_hand())
    return answer.results[0].warnings[-1].message


def year_old_sale(probe: Probe) -> str:
    """A sale from a year ago is applied, and does not change a level that was counted since."""
    epoch = probe.set_on_hand(40)
    answer = probe.send(probe.sale(1, sequence=2, at=probe.now() - timedelta(days=365)), epoch=epoch)
    expect("statuses", ["APPLIED"], statuses(answer))
    expect("on hand", 40, probe.on_hand())
    return "40 counted, 1 sold a year before: on hand is 40"


CHECKS: tuple[Callable[[Probe], str], ...] = (
    any_order,
    late_sale,
    late_count,
    older_count,
    same_time,
    clock_ahead,
    clock_behind,
    small_clock_skew,
    future_count,
    year_old_sale,
)
