"""How the story is told: a title, steps with what was asked and came back, and what each of them had to hold."""

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

from uriba.demo.device import Refused
from uriba.demo.operations import Operation

WIDTH_MAX = 110
COLOURS = {"phone": "cyan", "web": "magenta", "till": "yellow", "staff": "blue", "hub": "green"}
INDENT = 12
"""Where a step's text begins: behind its number and who does it."""


class Broken(Exception):
    """A step failed in a way that the story cannot go on from."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that had to be so; `found` says what was instead."""

    sentence: str
    held: bool
    found: str = ""


@dataclass(slots=True)
class Step:
    """One step while it happens: what comes back, and what it must hold."""

    who: str
    title: str
    asked: tuple[Operation, ...]
    heard: list[RenderableType] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    took_s: float = 0

    def hear(self, *answers: RenderableType) -> None:
        """What came back, for people."""
        self.heard.extend(answers)

    def hold(self, sentence: str, held: bool, *, found: object = "") -> None:
        """A condition of this step."""
        self.conditions.append(Condition(sentence, held, str(found)))

    def equal(self, what: str, found: object, expected: object) -> None:
        """A condition of this step: two things are the same."""
        sentence = f"{what}: {expected}" if expected == found else f"{what}: expected {expected}"
        self.hold(sentence, expected == found, found=found)

    @property
    def held(self) -> bool:
        return bool(self.conditions) and all(condition.held for condition in self.conditions)


class Story:
    """Tells steps as they end, and remembers which of them held."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.steps: list[Step] = []

    @property
    def held(self) -> bool:
        return bool(self.steps) and all(step.held for step in self.steps)

    def chapter(self, title: str) -> None:
        """A heading."""
        self.console.print()
        self._print(Text(title, style="bold"))
        self.console.print()

    def done(self, sentence: str) -> None:
        """Something that the program itself has done."""
        self._print(Text.assemble(("✓ ", "green"), sentence))

    @contextmanager
    def step(self, who: str, title: str, *asked: Operation) -> Iterator[Step]:
        """Tell a step once it has ended. Errors: `Broken` where the hub refused it or was not there."""
        step = Step(who, title, asked)
        self.steps.append(step)
        began = time.perf_counter()
        try:
            yield step
        except (Refused, httpx.HTTPError, WebSocketException, OSError) as error:
            step.hold("the hub answers", False, found=str(error) or type(error).__name__)
            raise Broken(title) from error
        finally:
            step.took_s = time.perf_counter() - began
            self._tell(step)

    def _tell(self, step: Step) -> None:
        head = Table.grid(expand=True)
        head.add_column(width=INDENT)
        head.add_column(ratio=1)
        head.add_column(justify="right", no_wrap=True)
        who = Text.assemble(f"{len(self.steps):>2}  ", (f"{step.who:<6}", f"bold {COLOURS[step.who]}"))
        head.add_row(who, Text(step.title, style="bold"), Text(f"{step.took_s * 1000:,.0f} ms", style="dim"))
        body: list[RenderableType] = [
            *(Text(operation.gist, style="dim italic") for operation in step.asked),
            *step.heard,
            *(_verdict(condition) for condition in step.conditions),
        ]
        self._print(head)
        self._print(Padding(Group(*body), (0, 0, 0, INDENT), expand=False))
        self.console.print()

    def _print(self, what: RenderableType) -> None:
        self.console.print(what, width=min(self.console.width, WIDTH_MAX))


def _verdict(condition: Condition) -> RenderableType:
    if condition.held:
        return _marked("✓", "green", Text(condition.sentence))
    found = f"; found {condition.found}" if condition.found else ""
    return _marked("✗", "bold red", Text(condition.sentence + found, style="red"))


def _marked(mark: str, style: str, text: Text) -> Table:
    """A mark with text that hangs beside it when it wraps."""
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(width=1)
    row.add_column()
    row.add_row(Text(mark, style=style), text)
    return row


def answer(text: str) -> RenderableType:
    """A line of what came back."""
    return _marked("→", "dim", Text(text))
