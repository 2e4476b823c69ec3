"""Courtesy: an endpoint that catches up lets those that keep up go first. Pure; times are the event loop's."""

from __future__ import annotations

from uuid import UUID

RECENT_S = 1.0
"""So long after it was told something, an endpoint that keeps up still counts as busy."""

BEHIND_AT_ONCE = 1
"""Deliveries under way to one that catches up, while others are busy."""


class Courtesy:
    """When each endpoint that keeps up was told something last, within one process."""

    def __init__(self) -> None:
        self._told: dict[UUID, float] = {}

    def told(self, endpoint_id: UUID, now: float) -> None:
        """An endpoint that keeps up is told something."""
        self._told.pop(endpoint_id, None)
        self._told[endpoint_id] = now

    def at_once(self, endpoint_id: UUID, now: float, usual: int) -> int:
        """How many deliveries may be under way to an endpoint that catches up."""
        for other, at in reversed(self._told.items()):
            if now - at > RECENT_S:
                break
            if other != endpoint_id:
                return min(BEHIND_AT_ONCE, usual)
        return usual

    def forget(self, endpoint_id: UUID) -> None:
        self._told.pop(endpoint_id, None)
