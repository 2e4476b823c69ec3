"""The delivery window of one endpoint: a limited number of pending deliveries, in order per subject. Pure.

Only the oldest delivery of each subject may be in flight; a failed one delays its own subject and no other. An endpoint
that fails several times without a success is down: then only its oldest delivery is sent, to probe whether it is back.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

WINDOW_SIZE = 500
DOWN_AFTER_FAILURES = 5
"""After this number of failures without a success between them the endpoint counts as down."""


@dataclass(slots=True)
class PendingDelivery:
    """One delivery. `due`: when it may be sent, by the event loop's clock. `event_id`: the event's global id."""

    id: int
    position: int
    event_id: str
    subject: str
    body: bytes
    attempts: int = 0
    due: float = 0.0


class DeliveryWindow:
    """The deliveries of one endpoint that wait or are in flight. `down_until`: when a down endpoint is probed."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.down_until = 0.0
        self._queues: dict[str, deque[PendingDelivery]] = {}
        # A heap of (due, position, subject) of the first delivery of each subject. It may hold outdated entries.
        self._due: list[tuple[float, int, str]] = []
        self._in_flight: set[str] = set()
        self._size = 0
        self._retrying = 0

    def __len__(self) -> int:
        return self._size

    @property
    def free_slots(self) -> int:
        return WINDOW_SIZE - self._size

    @property
    def is_down(self) -> bool:
        return self.failures >= DOWN_AFTER_FAILURES

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed or a delivery waits for a retry."""
        return self.failures > 0 or self._retrying > 0

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def add(self, deliveries: Iterable[PendingDelivery]) -> None:
        """Append deliveries, in the order of their positions, all later than those in the window."""
        for delivery in deliveries:
            queue = self._queues.setdefault(delivery.subject, deque())
            queue.append(delivery)
            self._size += 1
            self._retrying += delivery.attempts > 0
            if len(queue) == 1:
                self._schedule(delivery)

    def start_next(self, now: float) -> PendingDelivery | None:
        """Return a delivery to send now, if there is one; it is in flight until `succeed` or `fail`."""
        delivery = self._probe(now) if self.is_down else self._first_due(now)
        if delivery is not None:
            self._in_flight.add(delivery.subject)
        return delivery

    def _probe(self, now: float) -> PendingDelivery | None:
        if self._in_flight or now < self.down_until or not self._queues:
            return None
        return min((queue[0] for queue in self._queues.values()), key=lambda delivery: delivery.position)

    def _first_due(self, now: float) -> PendingDelivery | None:
        while self._due and self._due[0][0] <= now:
            due, position, subject = heapq.heappop(self._due)
            queue = self._queues.get(subject)
            # An entry is outdated if its delivery was sent since or became due at another time.
            if queue and subject not in self._in_flight and (queue[0].due, queue[0].position) == (due, position):
                return queue[0]
        return None

    def wait_s(self, now: float) -> float | None:
        """Return the time until a delivery is due; None if only a new delivery or a response can change anything."""
        if self.is_down:
            return None if self._in_flight or not self._size else max(0.0, self.down_until - now)
        return max(0.0, self._due[0][0] - now) if self._due else None

    def succeed(self, delivery: PendingDelivery) -> bool:
        """Remove a delivery that was accepted. Return whether the endpoint was down: then all deliveries become due."""
        was_down = self.is_down
        self.failures = 0
        self._in_flight.discard(delivery.subject)
        self._remove(delivery)
        if was_down:
            self._make_all_due()
        return was_down

    def fail(self, delivery: PendingDelivery, *, due: float) -> None:
        """Keep a delivery whose attempt failed, to be sent again at `due`."""
        self.failures += 1
        self._retrying += delivery.attempts == 0
        delivery.attempts += 1
        delivery.due = due
        self._in_flight.discard(delivery.subject)
        self._schedule(delivery)
        if self.is_down:
            self.down_until = max(self.down_until, due)

    def _remove(self, delivery: PendingDelivery) -> None:
        queue = self._queues[delivery.subject]
        assert queue[0] is delivery
        queue.popleft()
        self._size -= 1
        self._retrying -= delivery.attempts > 0
        if queue:
            self._schedule(queue[0])
        else:
            del self._queues[delivery.subject]

    def _schedule(self, delivery: PendingDelivery) -> None:
        heapq.heappush(self._due, (delivery.due, delivery.position, delivery.subject))

    def _make_all_due(self) -> None:
        for queue in self._queues.values():
            for delivery in queue:
                delivery.due = 0.0
        self._due = [(0.0, queue[0].position, queue[0].subject) for queue in self._queues.values()]
        heapq.heapify(self._due)
