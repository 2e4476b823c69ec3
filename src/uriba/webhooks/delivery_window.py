"""What waits for one endpoint: a bounded window of deliveries, in order per subject. No IO.

Of each subject only the oldest delivery may be under way; one that failed holds up its own subject and no other. An
endpoint that fails again and again is down: then one delivery alone, the oldest, tries whether it is back.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

SIZE = 500
DOWN_AFTER = 5
"""So many failures with no success between them are the endpoint's, not an event's."""


@dataclass(slots=True)
class Waiting:
    """One delivery. `due`: when it may be tried, by the event loop's clock."""

    id: int
    position: int
    event: str
    subject: str
    body: bytes
    attempts: int = 0
    due: float = 0.0


class Window:
    """The deliveries of one endpoint that wait or are under way."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self._lanes: dict[str, deque[Waiting]] = {}
        self._heads: list[tuple[float, int, str]] = []
        self._under_way: set[str] = set()
        self._size = 0
        self._tried = 0
        self.down_until = 0.0

    def __len__(self) -> int:
        return self._size

    @property
    def room(self) -> int:
        return SIZE - self._size

    @property
    def down(self) -> bool:
        return self.failures >= DOWN_AFTER

    @property
    def failing(self) -> bool:
        """Whether anything that waits was tried in vain."""
        return self.failures > 0 or self._tried > 0

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def add(self, deliveries: Iterable[Waiting]) -> None:
        """Later ones, in order of position."""
        for one in deliveries:
            lane = self._lanes.setdefault(one.subject, deque())
            lane.append(one)
            self._size += 1
            self._tried += one.attempts > 0
            if len(lane) == 1:
                self._head(one)

    def next(self, now: float) -> Waiting | None:
        """A delivery that may be tried now; it is under way until `taken` or `failed`."""
        one = self._probe(now) if self.down else self._first_due(now)
        if one is not None:
            self._under_way.add(one.subject)
        return one

    def _probe(self, now: float) -> Waiting | None:
        if self._under_way or now < self.down_until or not self._lanes:
            return None
        return min((lane[0] for lane in self._lanes.values()), key=lambda one: one.position)

    def _first_due(self, now: float) -> Waiting | None:
        while self._heads and self._heads[0][0] <= now:
            due, position, subject = heapq.heappop(self._heads)
            lane = self._lanes.get(subject)
            # What was tried since, or had its time changed, has another entry.
            if lane and subject not in self._under_way and (lane[0].due, lane[0].position) == (due, position):
                return lane[0]
        return None

    def wait_s(self, now: float) -> float | None:
        """How long until something may be tried; None where only news can change that."""
        if self.down:
            return None if self._under_way or not self._size else max(0.0, self.down_until - now)
        return max(0.0, self._heads[0][0] - now) if self._heads else None

    def taken(self, one: Waiting) -> bool:
        """The receiver has it. Whether the endpoint was down until now: then all that waits may go at once."""
        was_down = self.down
        self.failures = 0
        self._under_way.discard(one.subject)
        self._remove(one)
        if was_down:
            self._all_at_once()
        return was_down

    def failed(self, one: Waiting, *, due: float) -> None:
        """It is to be tried again at `due`."""
        self.failures += 1
        self._tried += one.attempts == 0
        one.attempts += 1
        one.due = due
        self._under_way.discard(one.subject)
        self._head(one)
        if self.down:
            self.down_until = max(self.down_until, due)

    def _remove(self, one: Waiting) -> None:
        lane = self._lanes[one.subject]
        assert lane[0] is one
        lane.popleft()
        self._size -= 1
        self._tried -= one.attempts > 0
        if lane:
            self._head(lane[0])
        else:
            del self._lanes[one.subject]

    def _head(self, one: Waiting) -> None:
        heapq.heappush(self._heads, (one.due, one.position, one.subject))

    def _all_at_once(self) -> None:
        for lane in self._lanes.values():
            for one in lane:
                one.due = 0.0
        self._heads = [(0.0, lane[0].position, lane[0].subject) for lane in self._lanes.values()]
        heapq.heapify(self._heads)
