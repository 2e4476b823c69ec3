"""The table of `sync`: what was measured, beside what is to be reached."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping

from rich import box
from rich.console import Console
from rich.table import Table

Figures = Mapping[str, float]

LAST_MS, WEBHOOK_MS, RELAYED_PER_S, SLOWER_MAX = 250, 300, 2_000, 0.10

TARGETS: Mapping[str, tuple[str, Callable[[float], bool]]] = {
    "last_subscriber_p99_ms": (f"< {LAST_MS}", lambda found: found < LAST_MS),
    "webhook_p99_ms": (f"< {WEBHOOK_MS}", lambda found: found < WEBHOOK_MS),
    "webhook_beside_subscribers_p99_ms": (f"< {WEBHOOK_MS}", lambda found: found < WEBHOOK_MS),
    "relayed_per_s": (f"≥ {RELAYED_PER_S:,}", lambda found: found >= RELAYED_PER_S),
    **{
        f"{figure}_beside_{behind}": (f"< {SLOWER_MAX:.0%}", lambda found: found < SLOWER_MAX)
        for figure in ("burst_slower", "p50_later")
        for behind in ("fail", "slow", "taken")
    },
}

NOTES = (
    "From the answer to a till's posSync of one sale, over HTTP, until the receiver had the webhook, and until the "
    "last subscriber had the frame; their processes run on the same cores.",
    "Bare: the same server, and an application that sends the same frame to as many sockets, from its answer.",
    "Memory: RSS of the API's process before and after they joined. Of few sales the p99 is the slowest.",
    "Backlog: one endpoint that refuses (fail), takes a second for each (slow), or catches up as fast as it can "
    "(taken); another beside it, in turn with it alone. Medians of five rounds.",
)


def show(figures: dict[str, float], verdict: str) -> None:
    """Print the table, what is to be said about it, and the verdict of `uriba check`."""
    figures |= derived(figures)
    console = Console()
    table = Table("figure", "measured", "target", box=None if console.is_terminal else box.MARKDOWN)
    for name, value in figures.items():
        words, reached = TARGETS.get(name, ("", None))
        mark = "" if reached is None else "✓ " if reached(value) else "✗ "
        table.add_row(name.replace("_", " "), _said(name, value), mark + words)
    console.print(table)
    console.print(
        f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}, CPython {platform.python_version()}."
    )
    for note in NOTES:
        console.print(f"- {note}", highlight=False)
    console.print(verdict.splitlines()[-1])


def derived(figures: Figures) -> dict[str, float]:
    """Ratios within the run."""
    found: dict[str, float] = {}
    if "bare_last_subscriber_p50_ms" in figures and "last_subscriber_p50_ms" in figures:
        for name in ("last_subscriber_p50_ms", "first_to_last_p50_ms"):
            found[f"ratio_{name.removesuffix('_p50_ms')}_to_bare"] = figures[name] / figures[f"bare_{name}"]
    return found


def _said(name: str, value: float) -> str:
    if name.startswith(("burst_slower", "p50_later")):
        return f"{value:+.0%}"
    return f"{value:,.0f}" if value >= 1_000 or value == int(value) else f"{value:,.1f}"
