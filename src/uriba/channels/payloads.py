"""Events as the outside sees them: the same in the feed, in webhooks and in subscriptions."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from uriba.core.ids import global_id
from uriba.db import Row


def event_of(row: Row) -> dict[str, Any]:
    """A row of the feed as the contract's Event."""
    kind, _, key = row["subject"].partition(":")
    return {
        "id": global_id("Event", row["id"]),
        "type": row["type"],
        "subject": global_id(kind, key),
        "version": row["version"],
        "at": row["at"].astimezone(UTC).isoformat(),
        "data": row["data"],
    }
