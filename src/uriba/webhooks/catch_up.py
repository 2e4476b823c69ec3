"""Courtesy: endpoints that catch up let those that keep up go first. Pure; times are the event loop's.

While an endpoint that keeps up has news, those of the same process that catch up begin deliveries in a short turn that
they share, and rest until the next: so news meets a busy process only now and then, however many catch up.
"""

from __future__ import annotations

from uuid import UUID

RECENT_S = 1.0
"""So long after it was told something, an endpoint that keeps up still counts as having news."""

TURN_S = 0.025
"""How long deliveries may be begun to those that catch up."""

EVERY_S = 0.25
"""From the begin of such a turn to the next."""


class Courtesy:
    """When each endpoint that keeps up was told something last, within one process."""

    def __init__(self) -> None:
        self._told: dict[UUID, float] = {}

    def told(self, endpoint_id: UUID, now: float) -> None:
        """An endpoint that keeps up is told something."""
        self._told.pop(endpoint_id, None)
        self._told[endpoint_id] = now

    def pause_s(self, endpoint_id: UUID, now: float) -> float:
        """How long until a delivery may be begun to an endpoint that catches up; 0 for now."""
        into = now % EVERY_S
        return EVERY_S - into if into >= TURN_S and self._others_have_news(endpoint_id, now) else 0.0

    def _others_have_news(self, endpoint_id: UUID, now: float) -> bool:
        for other, at in reversed(self._told.items()):
            if now - at > RECENT_S:
                break
            if other != endpoint_id:
                return True
        return False

    def forget(self, endpoint_id: UUID) -> None:
        self._told.pop(endpoint_id, None)
