"""Callers: the load generator, a process of its own that does little more than read and write.

Each caller is one connection that stays open. It takes the next turn, and asks again as soon as it is answered.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import NoReturn, Self, cast

import uvloop

from benchmarks.answers import Reader, Refused
from benchmarks.turns import Turn, Turns

FAILED = "failed"
EXAMPLES = 3
PATIENCE_S = 120
ANSWER_S = 30
READ_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Job:
    """Turns for so many callers, until time is up or no turn is left."""

    host: str
    port: int
    turns: Turns
    callers: int
    seconds: float | None = None


@dataclass(slots=True)
class Tally:
    """What became of the turns: outcome, how long it took, when it ended; times in seconds from the beginning."""

    turns: list[tuple[str, float, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(outcome for outcome, _, _ in self.turns)

    @property
    def load(self) -> float:
        """How much of one core the load generator took."""
        return self.cpu_s / self.elapsed_s if self.elapsed_s else 0.0


class Callers:
    """The load generator's process."""

    def __init__(self) -> None:
        self._process = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown(cancel_futures=True)

    def call(self, job: Job) -> Tally:
        """Have the job done, and wait for it."""
        patience_s = (job.seconds or 0) + PATIENCE_S
        return self._process.submit(_run, job, patience_s).result(patience_s + 10)


def _run(job: Job, patience_s: float) -> Tally:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_call(job, patience_s))


async def _call(job: Job, patience_s: float) -> Tally:
    loop = asyncio.get_running_loop()
    crew = _Crew(job, loop.create_future())
    callers = []
    for _ in range(job.callers):
        _, caller = await loop.create_connection(partial(_Caller, crew), job.host, job.port)
        callers.append(caller)
    crew.begin()
    for caller in callers:
        caller.take_turn()
    async with asyncio.timeout(patience_s):
        await crew.all_done
    return crew.end()


class _Crew:
    """What the callers of one job share."""

    __slots__ = ("all_done", "began", "cpu_before", "tally", "turns", "until", "working")

    def __init__(self, job: Job, all_done: asyncio.Future[None]) -> None:
        self.turns: Iterator[Turn] = job.turns()
        self.until = float("inf") if job.seconds is None else job.seconds
        self.working = job.callers
        self.tally = Tally()
        self.all_done = all_done
        self.began = self.cpu_before = 0.0

    def begin(self) -> None:
        self.began, self.cpu_before = time.perf_counter(), time.process_time()
        self.until += self.began

    def left(self) -> None:
        """One caller has no more to do."""
        self.working -= 1
        if not self.working and not self.all_done.done():
            self.all_done.set_result(None)

    def end(self) -> Tally:
        self.tally.elapsed_s = time.perf_counter() - self.began
        self.tally.cpu_s = time.process_time() - self.cpu_before
        return self.tally


class _Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, crew: _Crew) -> None:
        self._crew = crew
        self._reader = Reader()
        self._turn: Turn | None = None
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def take_turn(self) -> None:
        """Begin the next turn, if there is one and time is not up."""
        self._began = time.perf_counter()
        self._turn = next(self._crew.turns, None) if self._began < self._crew.until else None
        if self._turn is None:
            self._transport.close()
        else:
            self._transport.write(next(self._turn))

    def data_received(self, data: bytes) -> None:
        found = self._reader.feed(data)
        if found is None:
            return
        assert self._turn is not None
        status, body = found
        try:
            if status != b"200":
                raise Refused(body)
            self._transport.write(self._turn.send(body))
        except StopIteration as ended:
            self._note(ended.value)
            self.take_turn()
        except (Refused, ValueError) as error:
            self._fail(f"{status.decode()} {error} {body[:500].decode(errors='replace')}")
            self.take_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._turn is not None:
            self._fail(f"connection lost: {exc}")
        self._crew.left()

    def _note(self, outcome: str) -> None:
        now = time.perf_counter()
        self._crew.tally.turns.append((outcome, now - self._began, now - self._crew.began))

    def _fail(self, why: str) -> None:
        self._note(FAILED)
        if len(self._crew.tally.failures) < EXAMPLES:
            self._crew.tally.failures.append(why)


def rehearse(host: str, port: int, turn: Turn) -> list[tuple[bytes, bytes]]:
    """One turn by itself: each request with its answer's body."""
    heard: list[tuple[bytes, bytes]] = []
    with socket.create_connection((host, port), ANSWER_S) as line:
        try:
            request = next(turn)
            while True:
                heard.append((request, _answer(line, request)))
                request = turn.send(heard[-1][1])
        except StopIteration:
            return heard


def _answer(line: socket.socket, request: bytes) -> bytes:
    line.sendall(request)
    reader = Reader()
    while (found := reader.feed(line.recv(READ_BYTES) or _lost())) is None:
        pass
    assert found[0] == b"200", found
    return found[1]


def _lost() -> NoReturn:
    raise ConnectionError("the connection was lost before the answer")
