"""Progress bars on a terminal: for each stage its rows, its rate and its time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, Task, TextColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from uriba.sources.loading import AddRows, Progress

BAR_WIDTH = 24


class _RateColumn(TextColumn):
    """The rows per second, over the whole stage."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        seconds = task.finished_time or task.elapsed or 0
        rate = f"{task.completed / seconds:,.0f}/s" if seconds and task.completed else ""
        return Text(f"{rate:>10}", style="dim")


class _SecondsColumn(TextColumn):
    """The seconds since the stage began."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_time or task.elapsed or 0:6.1f} s", style="dim")


@contextmanager
def progress_bars(console: Console) -> Iterator[Progress]:
    """Show a bar for each stage; without a terminal, one line for each stage at the end."""
    with RichProgress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description:<16}"),
        BarColumn(BAR_WIDTH),
        TextColumn("{task.completed:>9,.0f}"),
        _RateColumn(),
        _SecondsColumn(),
        console=console,
    ) as bars:

        @contextmanager
        def progress(stage: str, rows: int | None) -> Iterator[AddRows]:
            task = bars.add_task(stage, total=rows)
            yield lambda more: bars.advance(task, more)
            # Also completes a stage without a known size, or without rows.
            bars.update(task, total=bars.tasks[task].completed)

        yield progress
