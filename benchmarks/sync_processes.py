"""Processes beside the benchmark's own: receivers and subscribers answer calls over a pipe, from their event loop."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Awaitable, Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import uvloop

ANSWER_S = 300
LOOK_S = 0.005
END_S = 15
FILES = 20_000

_spawn = get_context("spawn")


def allow_files() -> None:
    """Let this process, and those that it starts, have a socket for each subscriber."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if most == resource.RLIM_INFINITY else min(FILES, most), most))


async def until(look: Callable[[], object], *, within_s: float) -> None:
    """Look again and again until it is so. Errors: `TimeoutError`."""
    async with asyncio.timeout(within_s):
        while True:
            if look():
                return
            await asyncio.sleep(LOOK_S)


class Aside:
    """A process with one desk: what is asked of it is a method of the desk, by its name."""

    def __init__(self, desk: Callable[[], object]) -> None:
        self._line, far = _spawn.Pipe()
        self._process = _spawn.Process(target=_run, args=(desk, far), daemon=True)

    async def __aenter__(self) -> Self:
        self._process.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        await asyncio.to_thread(self._process.join, END_S)

    async def ask(self, name: str, *given: object) -> Any:
        """The answer of the desk; an error there is raised here."""
        self._line.send((name, given))
        await until(self._line.poll, within_s=ANSWER_S)
        found = self._line.recv()
        if isinstance(found, Exception):
            raise found
        return found


def _run(desk: Callable[[], object], line: Connection) -> None:
    uvloop.run(_answer(desk(), line))


async def _answer(desk: object, line: Connection) -> None:
    loop, asked = asyncio.get_running_loop(), asyncio.Queue[tuple[str, tuple[Any, ...]]]()
    loop.add_reader(line.fileno(), lambda: asked.put_nowait(line.recv()))
    while True:
        name, given = await asked.get()
        method: Callable[..., Awaitable[object]] = getattr(desk, name)
        try:
            found = await method(*given)
        except Exception as error:
            found = RuntimeError(f"{name}: {error!r}")
        line.send(found)
