"""The current time, always UTC and aware. The till has its own clock module so that it needs nothing of the hub."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
