"""The catch-up pause: endpoints that catch up let endpoints that keep up go first. Pure; times are the event loop's.

While an endpoint that keeps up has recent deliveries, endpoints of the same process that catch up start deliveries only
in a short slot that they share, and pause until the next one. So new events rarely meet a busy process, however many
endpoints catch up.
"""

from __future__ import annotations

from uuid import UUID

RECENT_S = 1.0
"""How long a delivery of an endpoint that keeps up counts as recent."""

SLOT_S = 0.025
"""How long endpoints that catch up may start deliveries in each interval."""

SLOT_INTERVAL_S = 0.25
"""From the start of one slot to the start of the next."""


class CatchUpPause:
    """When each endpoint that keeps up last started a delivery, within one process."""

    def __init__(self) -> None:
        self._latest: dict[UUID, float] = {}

    def record_delivery(self, endpoint_id: UUID, now: float) -> None:
        """Record that an endpoint that keeps up starts a delivery."""
        self._latest.pop(endpoint_id, None)
        self._latest[endpoint_id] = now

    def pause_s(self, endpoint_id: UUID, now: float) -> float:
        """Return how long an endpoint that catches up has to wait before it starts a delivery; 0 if not at all."""
        elapsed = now % SLOT_INTERVAL_S
        return SLOT_INTERVAL_S - elapsed if elapsed >= SLOT_S and self._others_sent_recently(endpoint_id, now) else 0.0

    def _others_sent_recently(self, endpoint_id: UUID, now: float) -> bool:
        for other, at in reversed(self._latest.items()):
            if now - at > RECENT_S:
                break
            if other != endpoint_id:
                return True
        return False

    def forget(self, endpoint_id: UUID) -> None:
        self._latest.pop(endpoint_id, None)
