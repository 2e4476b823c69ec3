"""The processes of a hub: forked from one process that has imported the code, restarted, and stopped together."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Self

import structlog
from setproctitle import setproctitle

SHUTDOWN_TIMEOUT_S = 25
RESTART_PAUSE_S = 1.0
HEARTBEAT_S = 1.0
"""How often a program says that it runs."""

UNRESPONSIVE_S = 60.0
"""A process without a heartbeat for so long is killed and restarted."""

PARENT_CHECK_S = 1.0

_CONTEXT = multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")
"""A forked process shares the memory of the imported code. The system libraries of macOS do not allow a fork."""

Heartbeat = Callable[[], None]

log = structlog.get_logger()


class Terminated(SystemExit):
    """A signal asked this process to end. As an exception, so that every `with` block cleans up."""


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM and when the terminal closes, so that engines and child processes are stopped."""

    def terminate(_signal: int, _frame: FrameType | None) -> None:
        raise Terminated(0)

    before = {number: signal.signal(number, terminate) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that runs in a process of its own, until SIGTERM asks it to end.

    `run` calls its argument at least once every `UNRESPONSIVE_S` seconds; once every `HEARTBEAT_S` is usual. It can be
    pickled, for systems without fork.
    """

    name: str
    run: Callable[[Heartbeat], None]


class Supervisor:
    """Keeps one process for each program while its block runs. This process has one thread when it starts one."""

    def __init__(self) -> None:
        self._children: list[_Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def start(self, program: Program) -> None:
        """Start a process for the program."""
        self._children.append(self._fork(program))

    def keep_running(self) -> None:
        """Restart each process that ends by itself or does not respond, until this process is asked to end."""
        try:
            while True:
                connection.wait([child.process.sentinel for child in self._children], HEARTBEAT_S)
                for position, child in enumerate(self._children):
                    if child.has_ended():
                        time.sleep(RESTART_PAUSE_S)
                        self._children[position] = self._fork(child.program)
        except KeyboardInterrupt:
            return

    def _stop(self) -> None:
        """Ask the processes to end; kill those that did not within the time limit."""
        for child in self._children:
            child.process.terminate()
        until = time.monotonic() + SHUTDOWN_TIMEOUT_S
        for child in self._children:
            child.process.join(max(0.1, until - time.monotonic()))
            if child.process.is_alive():
                child.process.kill()
                child.process.join()

    def _fork(self, program: Program) -> _Child:
        last_beat = _CONTEXT.Value("d", time.monotonic(), lock=False)
        process = _CONTEXT.Process(target=_run, args=(program, last_beat, os.getpid()), name=program.name)
        # A collection writes into each object that it visits, so it visits none of those that the processes share.
        gc.freeze()
        process.start()
        return _Child(program, process, last_beat)


@dataclass(frozen=True, slots=True)
class _Child:
    """A running process. `last_beat`: shared memory with the monotonic time of its last heartbeat."""

    program: Program
    process: BaseProcess
    last_beat: _SharedFloat

    def has_ended(self) -> bool:
        """Return whether the process has ended; one that does not respond is killed."""
        if self.process.is_alive() and time.monotonic() - self.last_beat.value < UNRESPONSIVE_S:
            return False
        if self.process.is_alive():
            log.error("a process does not respond and is killed", process=self.program.name, pid=self.process.pid)
            self.process.kill()
        self.process.join()
        log.error("a process ended and is restarted", process=self.program.name, status=self.process.exitcode)
        _forget_metrics(self.process.pid)
        return True


class _SharedFloat:
    """The type of `multiprocessing.Value("d")`."""

    value: float


def _run(program: Program, last_beat: _SharedFloat, parent: int) -> None:
    """Run the program in this new process."""
    # In a session of its own: Ctrl-C reaches the supervisor only, which then stops the processes.
    os.setsid()
    setproctitle(f"uriba: {program.name}")
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()

    def beat() -> None:
        last_beat.value = time.monotonic()

    with exit_on_signals():
        program.run(beat)


def _end_with_parent(parent: int) -> None:
    """Ask this process to end when the supervisor was killed: it could not do so itself."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _forget_metrics(pid: int | None) -> None:
    """Remove the gauges of a process that has ended from the metrics of all processes."""
    from prometheus_client.multiprocess import mark_process_dead

    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]
