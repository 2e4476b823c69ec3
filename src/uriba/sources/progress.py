"""What a person sees while goods are loaded: for each stage how much, how fast, how long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TextColumn
from rich.text import Text

from uriba.sources.loading import ProgressReporter, ReportRows

BAR_WIDTH = 24


class _Rate(TextColumn):
    """Rows a second, over the whole stage."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        seconds = task.finished_time or task.elapsed or 0
        rate = f"{task.completed / seconds:,.0f}/s" if seconds and task.completed else ""
        return Text(f"{rate:>10}", style="dim")


class _Seconds(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_time or task.elapsed or 0:6.1f} s", style="dim")


@contextmanager
def progress_bars(console: Console) -> Iterator[ProgressReporter]:
    """A bar for each stage; without a terminal, one line for each stage at the end."""
    with Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description:<16}"),
        BarColumn(BAR_WIDTH),
        TextColumn("{task.completed:>9,.0f}"),
        _Rate(),
        _Seconds(),
        console=console,
    ) as progress:

        @contextmanager
        def watch(stage: str, rows: int | None) -> Iterator[ReportRows]:
            task = progress.add_task(stage, total=rows)
            yield lambda more: progress.advance(task, more)
            # Also ends a stage that did not know its size, or had nothing to do.
            progress.update(task, total=progress.tasks[task].completed)

        yield watch
