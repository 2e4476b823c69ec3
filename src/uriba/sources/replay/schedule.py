"""When which till sends what. Pure.

In a calm year every till sends its baskets in order, each once. Chaos is what tills do at their worst, by a seed, and
with it the same each time: 20 % of the events are sent twice, in batches of any size, each of them shuffled; a third of
the tills are off the network for days, and their batches arrive out of order; a third have clocks that are hours off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

BATCH_EVENTS = 500
CHAOS_BATCH_EVENTS = (5, 120)
"""Some hours to some days of a busy store."""

TWICE = 0.20
DAY_S = 86_400
OFFLINE_DAYS_MAX = 14
CLOCK_OFF_S = (180, 12 * 3_600)
"""From more than the hub takes as right, to half a day; ahead or behind."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of a till (its index): the places of its baskets, in the order sent. Batches are sent by `due_s`."""

    due_s: int
    till: int
    places: Sequence[int]


@dataclass(frozen=True, slots=True)
class Schedule:
    """All batches in the order sent, and how many seconds each till's clock is ahead."""

    deliveries: list[Batch]
    clocks_s: list[int]

    @property
    def events(self) -> int:
        """How many events are sent, repeated ones included."""
        return sum(len(delivery.places) for delivery in self.deliveries)


def orderly(tills: Sequence[range], seconds: Sequence[int]) -> Schedule:
    """Every till in order, a batch as soon as it is full; `seconds` is when each basket was rung up."""
    found = [
        Batch(seconds[places[-1]], till, places)
        for till, own in enumerate(tills)
        for places in _full(own, BATCH_EVENTS)
    ]
    return Schedule(sorted(found, key=_due), [0] * len(tills))


def chaotic(tills: Sequence[range], seconds: Sequence[int], *, seed: int) -> Schedule:
    """All of it too, by tills at their worst."""
    random = Random(seed)  # noqa: S311
    found = [delivery for till, own in enumerate(tills) for delivery in _bad_year(random, till, own, seconds)]
    return Schedule(sorted(found, key=_due), [_clock(random) for _ in tills])


def _due(delivery: Batch) -> tuple[int, int]:
    return delivery.due_s, delivery.till


def _full(own: range, size: int) -> Iterator[range]:
    return (own[start : start + size] for start in range(0, len(own), size))


def _bad_year(random: Random, till: int, own: range, seconds: Sequence[int]) -> Iterator[Batch]:
    batches = [list(batch) for batch in _uneven(random, own)]
    due = [seconds[batch[-1]] for batch in batches]
    for first, once in enumerate(list(map(tuple, batches))):
        for place in once:
            if random.random() < TWICE:
                batches[random.randrange(first, len(batches))].append(place)
    offline = random.random() < 1 / 3
    for batch, at in zip(batches, due, strict=True):
        random.shuffle(batch)
        late = offline and random.random() < 1 / 2
        delay_s = random.randrange(DAY_S, OFFLINE_DAYS_MAX * DAY_S) if late else 0
        for part in range(0, len(batch), BATCH_EVENTS):
            yield Batch(at + delay_s, till, batch[part : part + BATCH_EVENTS])


def _uneven(random: Random, own: range) -> Iterator[range]:
    start = 0
    while start < len(own):
        size = random.randint(*CHAOS_BATCH_EVENTS)
        yield own[start : start + size]
        start += size


def _clock(random: Random) -> int:
    if random.random() >= 1 / 3:
        return 0
    return random.choice((-1, 1)) * random.randint(*CLOCK_OFF_S)
