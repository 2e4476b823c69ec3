"""The load generator: a separate process that simulates users, and does little more than write and read.

Each user is one connection that stays open. It runs one iteration after the other, and sends a request as soon as the
response before it has arrived.
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
from typing import NamedTuple, NoReturn, Self, cast

import uvloop

from benchmarks.http_responses import ResponseError, ResponseReader
from benchmarks.iterations import Iteration, Iterations

FAILED = "failed"
FAILURES_KEPT = 3
EXTRA_TIME_S = 120
RESPONSE_WITHIN_S = 30
READ_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class LoadJob:
    """Iterations for a number of users, until the time is up or no iteration is left."""

    host: str
    port: int
    iterations: Iterations
    users: int
    seconds: float | None = None


class IterationResult(NamedTuple):
    """An iteration that ended `ended_s` after the job's start."""

    outcome: str
    duration_s: float
    ended_s: float


@dataclass(slots=True)
class LoadResult:
    """The results of a job. `failures` are the first few messages."""

    iterations: list[IterationResult] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(each.outcome for each in self.iterations)

    @property
    def generator_load(self) -> float:
        """The share of one core that the load generator used."""
        return self.cpu_s / self.elapsed_s if self.elapsed_s else 0.0


class LoadGenerator:
    """The process of the load generator."""

    def __init__(self) -> None:
        self._process = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown(cancel_futures=True)

    def run(self, job: LoadJob) -> LoadResult:
        """Run a job, and wait for its result."""
        timeout_s = (job.seconds or 0) + EXTRA_TIME_S
        return self._process.submit(_run_in_process, job, timeout_s).result(timeout_s + 10)


def _run_in_process(job: LoadJob, timeout_s: float) -> LoadResult:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(job, timeout_s))


async def _run(job: LoadJob, timeout_s: float) -> LoadResult:
    loop = asyncio.get_running_loop()
    state = _JobState(job, loop.create_future())
    users = []
    for _ in range(job.users):
        _, user = await loop.create_connection(partial(_User, state), job.host, job.port)
        users.append(user)
    state.start()
    for user in users:
        user.start_iteration()
    async with asyncio.timeout(timeout_s):
        await state.all_finished
    return state.finish()


class _JobState:
    """The state that the users of one job share."""

    __slots__ = ("active_users", "all_finished", "cpu_before", "iterations", "result", "started", "until")

    def __init__(self, job: LoadJob, all_finished: asyncio.Future[None]) -> None:
        self.iterations: Iterator[Iteration] = job.iterations()
        self.until = float("inf") if job.seconds is None else job.seconds
        self.active_users = job.users
        self.result = LoadResult()
        self.all_finished = all_finished
        self.started = self.cpu_before = 0.0

    def start(self) -> None:
        self.started, self.cpu_before = time.perf_counter(), time.process_time()
        self.until += self.started

    def user_finished(self) -> None:
        self.active_users -= 1
        if not self.active_users and not self.all_finished.done():
            self.all_finished.set_result(None)

    def finish(self) -> LoadResult:
        self.result.elapsed_s = time.perf_counter() - self.started
        self.result.cpu_s = time.process_time() - self.cpu_before
        return self.result


class _User(asyncio.Protocol):
    """One simulated user: a connection."""

    def __init__(self, state: _JobState) -> None:
        self._state = state
        self._reader = ResponseReader()
        self._iteration: Iteration | None = None
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start_iteration(self) -> None:
        """Start the next iteration; close the connection if there is none or the time is up."""
        self._started = time.perf_counter()
        self._iteration = next(self._state.iterations, None) if self._started < self._state.until else None
        if self._iteration is None:
            self._transport.close()
        else:
            self._transport.write(next(self._iteration))

    def data_received(self, data: bytes) -> None:
        response = self._reader.feed(data)
        if response is None:
            return
        assert self._iteration is not None
        status, body = response
        try:
            if status != b"200":
                raise ResponseError(body)
            self._transport.write(self._iteration.send(body))
        except StopIteration as ended:
            self._add_result(ended.value)
            self.start_iteration()
        except (ResponseError, ValueError) as error:
            self._add_failure(f"{status.decode()} {error} {body[:500].decode(errors='replace')}")
            self.start_iteration()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._iteration is not None:
            self._add_failure(f"connection lost: {exc}")
        self._state.user_finished()

    def _add_result(self, outcome: str) -> None:
        now = time.perf_counter()
        result = IterationResult(outcome, now - self._started, now - self._state.started)
        self._state.result.iterations.append(result)

    def _add_failure(self, message: str) -> None:
        self._add_result(FAILED)
        if len(self._state.result.failures) < FAILURES_KEPT:
            self._state.result.failures.append(message)


def run_once(host: str, port: int, iteration: Iteration) -> list[tuple[bytes, bytes]]:
    """Run one iteration in this process, and return each request with the body of its response."""
    exchanges: list[tuple[bytes, bytes]] = []
    with socket.create_connection((host, port), RESPONSE_WITHIN_S) as connection:
        try:
            request = next(iteration)
            while True:
                exchanges.append((request, _body_of_response(connection, request)))
                request = iteration.send(exchanges[-1][1])
        except StopIteration:
            return exchanges


def _body_of_response(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(request)
    reader = ResponseReader()
    while (response := reader.feed(connection.recv(READ_BYTES) or _raise_connection_lost())) is None:
        pass
    status, body = response
    assert status == b"200", response
    return body


def _raise_connection_lost() -> NoReturn:
    raise ConnectionError("the connection was closed before the response")
