"""The clock: the only source of the present time."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time, in UTC and aware."""
    return datetime.now(UTC)
