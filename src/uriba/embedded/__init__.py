"""The bundled PostgreSQL and Valkey: started by the first program of a data dir, stopped by the last.

Three kinds of locks in the data dir decide who does what, so no state is left over when a program is killed:
`engines.lock` is shared by all programs that use the engines; `engines.gate` lets one at a time start or stop
them; `postgres.lock` and `valkey.lock` are kept by the engines themselves for as long as they live.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import home, locks, postgres, valkey
from .errors import EmbeddedError

__all__ = ["EmbeddedError", "Engines", "engines", "running"]

READY_S = 60
STOPPED_S = 60
GATE_S = 300  # someone else's slowest start and stop


@dataclass(frozen=True, slots=True)
class Engines:
    """The addresses of the two engines."""

    database_url: str
    valkey_url: str


class Engine(Protocol):
    """What PostgreSQL and Valkey have in common."""

    @property
    def title(self) -> str: ...
    @property
    def log(self) -> Path: ...
    @property
    def lock(self) -> Path: ...
    def answers(self) -> bool: ...
    def start(self, lock: int) -> None: ...
    def stop(self) -> None: ...


def _say_nothing(_step: str) -> None:
    pass


@contextmanager
def engines(data_dir: Path, *, on_step: Callable[[str], None] = _say_nothing) -> Iterator[Engines]:
    """Have both engines of a data dir up while the block runs, together with other programs that use them.

    Raises EmbeddedError when they cannot be started or stopped; `on_step` is told each step in a sentence.
    """
    folder = _folder(data_dir)
    with locks.opened(folder / "engines.lock") as users:
        with _gate(folder):
            joined = locks.attempt(users, fcntl.LOCK_SH)
            assert joined, "the exclusive lock is only taken behind the gate"
            place = _prepare(folder)
            try:
                for engine in _both(place):
                    _start(engine, on_step)
            except BaseException:
                _leave(users, place, on_step)
                raise
        try:
            yield _addresses(place.sockets)
        finally:
            with _gate(folder):
                _leave(users, place, on_step)


def running(data_dir: Path) -> Engines | None:
    """The engines of a data dir if both answer."""
    sockets = home.sockets_of(data_dir.resolve())
    return _addresses(sockets) if valkey.answers(sockets) and postgres.answers(sockets) else None


def _addresses(sockets: Path) -> Engines:
    return Engines(postgres.database_url(sockets), valkey.valkey_url(sockets))


def _folder(data_dir: Path) -> Path:
    """The data dir, made and with its one true name."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"{data_dir} cannot be made: {error.strerror}; choose another.") from error
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        raise EmbeddedError(f"{data_dir} cannot be written; choose another data dir.")
    return data_dir.resolve()


def _gate(folder: Path) -> AbstractContextManager[None]:
    """Be the only one to start or stop the engines."""
    return locks.alone(folder / "engines.gate", within_s=GATE_S)


def _prepare(folder: Path) -> home.Home:
    programs = (postgres.program("postgres"), valkey.program())
    return home.prepare(folder, data=folder / "postgres", programs=programs)


def _both(place: home.Home) -> tuple[Engine, Engine]:
    return valkey.Valkey(place), postgres.Postgres(place)


def _start(engine: Engine, on_step: Callable[[str], None]) -> None:
    """Have the engine answer, whether it ran before or not."""
    began = time.monotonic()
    if _alive(engine):
        on_step(f"{engine.title} was already running")
        return
    home.set_aside_if_long(engine.log)
    try:
        with locks.opened(engine.lock) as lock:
            taken = locks.attempt(lock, fcntl.LOCK_EX)
            assert taken, "it was free, and only who is behind the gate takes it"
            engine.start(lock)
        if not _alive(engine):
            raise EmbeddedError("it ended at once.")
    except EmbeddedError as error:
        end = f"The end of {engine.log}:\n{home.tail(engine.log)}"
        raise EmbeddedError(f"{engine.title} did not start: {error} {end}") from error
    on_step(f"{engine.title} ready in {time.monotonic() - began:.2f} s")


def _alive(engine: Engine) -> bool:
    """Whether the engine runs and answers; one between two states is waited for.

    That can be the engine of a program that was killed while it was starting or stopping it.
    """
    if not locks.wait_for(lambda: locks.is_free(engine.lock) or engine.answers(), within_s=READY_S):
        raise EmbeddedError(f"{engine.title} neither answers nor ends; see {engine.log}.")
    return not locks.is_free(engine.lock)


def _leave(users: int, place: home.Home, on_step: Callable[[str], None]) -> None:
    """Stop the engines if nobody else uses them."""
    try:
        if locks.attempt(users, fcntl.LOCK_EX):
            for engine in _both(place):
                _stop(engine, on_step)
            place.drop_sockets()
    finally:
        # Here and not by closing the file, which happens only after the next program may come in.
        fcntl.flock(users, fcntl.LOCK_UN)


def _stop(engine: Engine, on_step: Callable[[str], None]) -> None:
    """Stop the engine and wait for the last of its processes."""
    began = time.monotonic()
    if not _alive(engine):
        return
    engine.stop()
    if not locks.wait_for(lambda: locks.is_free(engine.lock), within_s=STOPPED_S):
        raise EmbeddedError(f"{engine.title} did not stop within {STOPPED_S} s; see {engine.log}.")
    on_step(f"{engine.title} stopped in {time.monotonic() - began:.2f} s")
