"""The steps of the demo: each has a title, its operations, results, and checks. A step is printed when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from websockets.exceptions import WebSocketException

from uriba.demo.errors import RequestRefused, StepFailed
from uriba.demo.operations import Operation

WIDTH_MAX = 110
COLORS = {"phone": "cyan", "web": "magenta", "till": "yellow", "staff": "blue", "hub": "green"}
INDENT = 12
"""The column where a step's text starts, after its number and its device."""


@dataclass(frozen=True, slots=True)
class Check:
    """A condition of a step. `found` is what was found instead, if it failed."""

    sentence: str
    passed: bool
    found: str = ""


@dataclass(slots=True)
class Step:
    """One step while it runs. `device` is who acts: a key of `COLORS`."""

    device: str
    title: str
    operations: tuple[Operation, ...]
    results: list[RenderableType] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    took_s: float = 0

    def show(self, *results: RenderableType) -> None:
        """Add results to print."""
        self.results.extend(results)

    def check(self, sentence: str, passed: bool, *, found: object = "") -> None:
        self.checks.append(Check(sentence, passed, str(found)))

    def check_equal(self, subject: str, found: object, expected: object) -> None:
        sentence = f"{subject}: {expected}" if expected == found else f"{subject}: expected {expected}"
        self.check(sentence, expected == found, found=found)

    @property
    def passed(self) -> bool:
        """Whether the step has checks and all of them passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)


class StepLog:
    """Prints the steps, and keeps them for the summary."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.steps: list[Step] = []

    @property
    def passed(self) -> bool:
        return bool(self.steps) and all(step.passed for step in self.steps)

    def print_heading(self, title: str) -> None:
        self.console.print()
        self._print(Text(title, style="bold"))
        self.console.print()

    def print_done(self, sentence: str) -> None:
        """Print what the demo itself has done."""
        self._print(Text.assemble(("✓ ", "green"), sentence))

    @contextmanager
    def step(self, device: str, title: str, *operations: Operation) -> Iterator[Step]:
        """Run a step, and print it when the block ends.

        Errors: `StepFailed` if the hub refused a request or did not answer.
        """
        step = Step(device, title, operations)
        self.steps.append(step)
        started = time.perf_counter()
        try:
            yield step
        except (RequestRefused, httpx.HTTPError, WebSocketException, OSError) as error:
            step.check("the hub answers", False, found=str(error) or type(error).__name__)
            raise StepFailed(title) from error
        finally:
            step.took_s = time.perf_counter() - started
            self._print_step(step)

    def _print_step(self, step: Step) -> None:
        head = Table.grid(expand=True)
        head.add_column(width=INDENT)
        head.add_column(ratio=1)
        head.add_column(justify="right", no_wrap=True)
        device = Text.assemble(f"{len(self.steps):>2}  ", (f"{step.device:<6}", f"bold {COLORS[step.device]}"))
        head.add_row(device, Text(step.title, style="bold"), Text(f"{step.took_s * 1000:,.0f} ms", style="dim"))
        body: list[RenderableType] = [
            *(Text(operation.summary, style="dim italic") for operation in step.operations),
            *step.results,
            *(_check_line(check) for check in step.checks),
        ]
        self._print(head)
        self._print(Padding(Group(*body), (0, 0, 0, INDENT), expand=False))
        self.console.print()

    def _print(self, content: RenderableType) -> None:
        self.console.print(content, width=min(self.console.width, WIDTH_MAX))


def result_line(text: str) -> RenderableType:
    """Return a line with a result of a step."""
    return _marked_line("→", "dim", Text(text))


def _check_line(check: Check) -> RenderableType:
    if check.passed:
        return _marked_line("✓", "green", Text(check.sentence))
    found = f"; found {check.found}" if check.found else ""
    return _marked_line("✗", "bold red", Text(check.sentence + found, style="red"))


def _marked_line(mark: str, style: str, text: Text) -> Table:
    """Return a mark and a text; the text wraps beside the mark."""
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(width=1)
    row.add_column()
    row.add_row(Text(mark, style=style), text)
    return row
