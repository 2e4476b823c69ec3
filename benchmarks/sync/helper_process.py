"""Helper processes: receiver and subscribers run in processes of their own, and answer calls over a pipe."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Awaitable, Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import uvloop

CALL_WITHIN_S = 300
POLL_INTERVAL_S = 0.005
STOP_WITHIN_S = 15
OPEN_FILES_MAX = 20_000

_spawn = get_context("spawn")


def raise_file_limit() -> None:
    """Raise the limit of open files for this process and its children: each subscriber needs a socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(OPEN_FILES_MAX, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def wait_until(condition: Callable[[], object], *, within_s: float) -> None:
    """Poll until the condition is true. Errors: `TimeoutError`."""
    async with asyncio.timeout(within_s):
        while True:
            if condition():
                return
            await asyncio.sleep(POLL_INTERVAL_S)


class HelperProcess:
    """A process that holds one object, whose async methods can be called by name."""

    def __init__(self, make_object: Callable[[], object]) -> None:
        self._pipe, child_pipe = _spawn.Pipe()
        self._process = _spawn.Process(target=_run, args=(make_object, child_pipe), daemon=True)

    async def __aenter__(self) -> Self:
        self._process.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        await asyncio.to_thread(self._process.join, STOP_WITHIN_S)

    async def call(self, method: str, *arguments: object) -> Any:
        """Call a method of the object, and return its result. Errors: `RuntimeError` if the method raises."""
        self._pipe.send((method, arguments))
        await wait_until(self._pipe.poll, within_s=CALL_WITHIN_S)
        result = self._pipe.recv()
        if isinstance(result, Exception):
            raise result
        return result


def _run(make_object: Callable[[], object], pipe: Connection) -> None:
    uvloop.run(_answer_calls(make_object(), pipe))


async def _answer_calls(called: object, pipe: Connection) -> None:
    loop, calls = asyncio.get_running_loop(), asyncio.Queue[tuple[str, tuple[Any, ...]]]()
    loop.add_reader(pipe.fileno(), lambda: calls.put_nowait(pipe.recv()))
    while True:
        name, arguments = await calls.get()
        method: Callable[..., Awaitable[object]] = getattr(called, name)
        try:
            result = await method(*arguments)
        except Exception as error:
            result = RuntimeError(f"{name}: {error!r}")
        pipe.send(result)
