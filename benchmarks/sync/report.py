"""The report of `python -m benchmarks.sync`: figures beside their targets."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping

from rich import box
from rich.console import Console
from rich.table import Table

Figures = Mapping[str, float]

LAST_SUBSCRIBER_MS, WEBHOOK_MS, RELAYED_PER_S, SLOWER_MAX = 250, 300, 2_000, 0.10

TARGETS: Mapping[str, tuple[str, Callable[[float], bool]]] = {
    "last_subscriber_p99_ms": (f"< {LAST_SUBSCRIBER_MS}", lambda value: value < LAST_SUBSCRIBER_MS),
    "webhook_p99_ms": (f"< {WEBHOOK_MS}", lambda value: value < WEBHOOK_MS),
    "webhook_beside_subscribers_p99_ms": (f"< {WEBHOOK_MS}", lambda value: value < WEBHOOK_MS),
    "relayed_per_s": (f"≥ {RELAYED_PER_S:,}", lambda value: value >= RELAYED_PER_S),
    **{
        f"{figure}_beside_{behind}": (f"< {SLOWER_MAX:.0%}", lambda value: value < SLOWER_MAX)
        for figure in ("burst_slower", "p50_later")
        for behind in ("fail", "slow", "taken")
    },
}

NOTES = (
    "Latencies start at the HTTP response to a till's posSync of one sale. They end when the receiver has the webhook, "
    "or when the last subscriber has the frame. Receiver and subscribers run on the same cores.",
    "Bare: the same server with an application that sends the same frame to as many sockets, from its response on.",
    "Memory: RSS of the API's process before and after the subscriptions. With few sales the p99 is the slowest one.",
    "Backlog: one endpoint refuses (fail), takes a second for each event (slow), or catches up as fast as it can "
    "(taken). Another endpoint is measured beside it and alone, in turn. Medians of five rounds.",
)


def print_report(figures: dict[str, float], *, clean: bool, check_output: str) -> None:
    """Print the table and its notes, and the output of `uriba check` if an invariant is broken."""
    figures |= ratios_to_bare(figures)
    console = Console()
    table = Table("figure", "measured", "target", box=None if console.is_terminal else box.MARKDOWN)
    for name, value in figures.items():
        text, is_reached = TARGETS.get(name, ("", None))
        mark = "" if is_reached is None else "✓ " if is_reached(value) else "✗ "
        table.add_row(name.replace("_", " "), _formatted(name, value), mark + text)
    console.print(table)
    console.print(
        f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}, CPython {platform.python_version()}."
    )
    for note in NOTES:
        console.print(f"- {note}", highlight=False)
    console.print("All invariants hold." if clean else check_output, highlight=False, markup=False)


def ratios_to_bare(figures: Figures) -> dict[str, float]:
    """Return the ratios of the hub to the bare broadcast."""
    ratios: dict[str, float] = {}
    if "bare_last_subscriber_p50_ms" in figures and "last_subscriber_p50_ms" in figures:
        for name in ("last_subscriber_p50_ms", "first_to_last_p50_ms"):
            if not figures[f"bare_{name}"]:
                continue  # Few subscribers have the frame before the response is read.
            ratios[f"ratio_{name.removesuffix('_p50_ms')}_to_bare"] = figures[name] / figures[f"bare_{name}"]
    return ratios


def _formatted(name: str, value: float) -> str:
    if name.startswith(("burst_slower", "p50_later")):
        return f"{value:+.0%}"
    return f"{value:,.0f}" if value >= 1_000 or value == int(value) else f"{value:,.1f}"
