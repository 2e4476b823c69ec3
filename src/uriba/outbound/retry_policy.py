"""What an answer means, and when to try again. Pure.

Source of the rules: Standard Webhooks 1.0.0, "Retries and failures": 2xx alone is success, 3xx is failure, 410 means
that nobody wants to hear any more, Retry-After is kept to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime

GONE = 410
ASKED_MAX_S = 86_400.0
JITTER = 0.2
"""How much longer or shorter a pause may be, as a part of it: receivers come back to a stream, not to a flood."""


def taken(status: int) -> bool:
    return 200 <= status < 300


def pause_s(attempts: int, pauses: Sequence[float], *, dice: float, asked_s: float | None = None) -> float | None:
    """How long to wait after so many failed tries; None where there are no more. `dice` is drawn from 0 to 1."""
    if attempts > len(pauses):
        return None
    drawn = pauses[attempts - 1] * (1 + JITTER * (2 * dice - 1))
    return max(drawn, min(asked_s or 0.0, ASKED_MAX_S))


def asked_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """The pause that an answer asks for with Retry-After: seconds, or a date. Nonsense asks for none."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), ASKED_MAX_S)
    try:
        until = parsedate_to_datetime(said)
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):
        return None
