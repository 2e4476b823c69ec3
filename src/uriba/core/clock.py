"""The time, always UTC and aware."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
