"""The number of random cases that a property test draws."""

from __future__ import annotations

import os


def random_cases(number: int) -> int:
    """Return this number, or a tenth of it in `make test-fast`."""
    return number // 10 if os.environ.get("URIBA_TEST_FAST") else number
