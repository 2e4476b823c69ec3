"""What goes wrong before the story can begin."""

from __future__ import annotations


class HubFailed(Exception):
    """The hub's processes did not start, or ended."""
