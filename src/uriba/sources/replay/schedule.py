"""The schedule of a replay: which till sends which events at which time. Pure.

In an orderly schedule every till sends its baskets in order, each once. A chaotic schedule shows tills at their worst.
It depends on a seed only, so it can be repeated:

- 20 % of the events are sent twice.
- Batches have any size, and the events in them any order.
- A third of the tills are offline for days, and their batches arrive out of order.
- A third of the tills have clocks that are wrong by up to half a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

BATCH_EVENTS = 500
CHAOTIC_BATCH_EVENTS = (5, 120)
"""The smallest and the largest batch: some hours to some days of a busy store."""

REPEATED = 0.20
DAY_S = 86_400
OFFLINE_DAYS_MAX = 14
CLOCK_OFFSET_S = (180, 12 * 3_600)
"""The smallest and the largest offset of a wrong clock, ahead or behind. The smallest is above the hub's tolerance."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of the till with index `till`: the indices of its baskets in the order sent.

    Batches are sent in the order of `due_s`.
    """

    due_s: int
    till: int
    baskets: Sequence[int]


@dataclass(frozen=True, slots=True)
class Schedule:
    """All batches in the order sent, and how many seconds each till's clock is ahead."""

    batches: list[Batch]
    clock_offsets_s: list[int]

    @property
    def events(self) -> int:
        """The number of events sent, including repeated ones."""
        return sum(len(batch.baskets) for batch in self.batches)


def orderly(tills: Sequence[range], seconds: Sequence[int]) -> Schedule:
    """Return a schedule with a batch as soon as it is full.

    `tills` has the indices of each till's baskets, `seconds` the time of each basket.
    """
    batches = [
        Batch(seconds[baskets[-1]], till, baskets)
        for till, own in enumerate(tills)
        for baskets in _full_batches(own, BATCH_EVENTS)
    ]
    return Schedule(sorted(batches, key=_order), [0] * len(tills))


def chaotic(tills: Sequence[range], seconds: Sequence[int], *, seed: int) -> Schedule:
    """Return a chaotic schedule of the same events."""
    random = Random(seed)  # noqa: S311
    batches = [batch for till, own in enumerate(tills) for batch in _chaotic_batches(random, till, own, seconds)]
    return Schedule(sorted(batches, key=_order), [_clock_offset(random) for _ in tills])


def _order(batch: Batch) -> tuple[int, int]:
    return batch.due_s, batch.till


def _full_batches(own: range, size: int) -> Iterator[range]:
    return (own[start : start + size] for start in range(0, len(own), size))


def _chaotic_batches(random: Random, till: int, own: range, seconds: Sequence[int]) -> Iterator[Batch]:
    batches = [list(batch) for batch in _random_batches(random, own)]
    due = [seconds[batch[-1]] for batch in batches]
    for first, original in enumerate(list(map(tuple, batches))):
        for basket in original:
            if random.random() < REPEATED:
                batches[random.randrange(first, len(batches))].append(basket)
    offline = random.random() < 1 / 3
    for batch, due_s in zip(batches, due, strict=True):
        random.shuffle(batch)
        late = offline and random.random() < 1 / 2
        delay_s = random.randrange(DAY_S, OFFLINE_DAYS_MAX * DAY_S) if late else 0
        for start in range(0, len(batch), BATCH_EVENTS):
            yield Batch(due_s + delay_s, till, batch[start : start + BATCH_EVENTS])


def _random_batches(random: Random, own: range) -> Iterator[range]:
    start = 0
    while start < len(own):
        size = random.randint(*CHAOTIC_BATCH_EVENTS)
        yield own[start : start + size]
        start += size


def _clock_offset(random: Random) -> int:
    if random.random() >= 1 / 3:
        return 0
    return random.choice((-1, 1)) * random.randint(*CLOCK_OFFSET_S)
