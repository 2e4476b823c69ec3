"""The retry policy of outbound requests: which statuses are a success, and when to try again. Pure.

Source of the rules: Standard Webhooks 1.0.0, "Retries and failures": only 2xx is a success, 3xx is a failure, 410 means
that the receiver wants no more deliveries, and Retry-After is respected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime

GONE = 410
RETRY_AFTER_MAX_S = 86_400.0
JITTER = 0.2
"""The fraction by which a pause may be longer or shorter, so that retries of many deliveries spread out."""


def is_success(status: int) -> bool:
    return 200 <= status < 300


def retry_pause_s(
    failures: int, pauses: Sequence[float], *, random_fraction: float, retry_after_s: float | None = None
) -> float | None:
    """Return the pause after this number of failed attempts, or None if there are no more retries.

    `random_fraction`: from 0 to 1, for the jitter. `retry_after_s`: the least pause that the receiver asks for.
    """
    if failures > len(pauses):
        return None
    pause_s = pauses[failures - 1] * (1 + JITTER * (2 * random_fraction - 1))
    return max(pause_s, min(retry_after_s or 0.0, RETRY_AFTER_MAX_S))


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the pause of the Retry-After header, which holds seconds or a date; None if it is missing or invalid."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), RETRY_AFTER_MAX_S)
    try:
        until = parsedate_to_datetime(value)
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):
        return None
