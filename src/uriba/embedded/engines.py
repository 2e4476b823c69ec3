"""Start and stop of the embedded engines, shared by all programs that use the same data directory.

File locks in the data directory coordinate the programs, so a killed program leaves no stale state behind:

- `engines.lock` is held shared by every program that uses the engines.
- `engines.gate` is held exclusively by the one program that is starting or stopping them.
- `postgres.lock` and `valkey.lock` are held by the engines themselves for as long as they run.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from uriba.embedded import data_dir as data_dirs
from uriba.embedded import locks, postgres, valkey
from uriba.embedded.data_dir import DataDir
from uriba.embedded.errors import EmbeddedError

READY_S = 60
STOPPED_S = 60
STARTUP_LOCK_S = 300
"""Longer than the slowest start and stop by another program."""


@dataclass(frozen=True, slots=True)
class EngineAddresses:
    """The addresses of the two engines."""

    database_url: str
    valkey_url: str


class Engine(Protocol):
    """The common interface of the embedded PostgreSQL and Valkey."""

    @property
    def title(self) -> str: ...
    @property
    def log(self) -> Path: ...
    @property
    def lock(self) -> Path: ...
    def is_ready(self) -> bool: ...
    def start(self, lock: int) -> None: ...
    def stop(self) -> None: ...


def _ignore(_step: str) -> None:
    pass


@contextmanager
def run_engines(data_dir: Path, *, on_step: Callable[[str], None] = _ignore) -> Iterator[EngineAddresses]:
    """Keep both engines of a data directory running while the block runs, shared with other programs.

    `on_step` receives a sentence about each start and stop. Errors: `EmbeddedError` if an engine does not start or does
    not stop.
    """
    path = _create_data_dir(data_dir)
    with locks.open_lock(path / "engines.lock") as users:
        with _startup_lock(path):
            shared = locks.try_lock(users, fcntl.LOCK_SH)
            assert shared, "the exclusive lock is taken under the startup lock only"
            directory = _prepare(path)
            try:
                for engine in _engines(directory):
                    _start(engine, on_step)
            except BaseException:
                _stop_if_last_user(users, directory, on_step)
                raise
        try:
            yield _addresses(directory.sockets)
        finally:
            with _startup_lock(path):
                _stop_if_last_user(users, directory, on_step)


def has_database(data_dir: Path) -> bool:
    """Return whether the data directory has a PostgreSQL database, which need not run."""
    return (data_dir / "postgres").exists()


def find_engines(data_dir: Path) -> EngineAddresses | None:
    """Return the addresses of the engines of a data directory, or None unless both are ready."""
    sockets = data_dirs.socket_dir(data_dir.resolve())
    return _addresses(sockets) if valkey.is_ready(sockets) and postgres.is_ready(sockets) else None


def _addresses(sockets: Path) -> EngineAddresses:
    return EngineAddresses(postgres.database_url(sockets), valkey.valkey_url(sockets))


def _create_data_dir(data_dir: Path) -> Path:
    """Create the data directory if it does not exist, and return its path with links resolved."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"{data_dir} cannot be created: {error.strerror}. Choose another data dir.") from error
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        raise EmbeddedError(f"{data_dir} is not writable. Choose another data dir.")
    return data_dir.resolve()


def _startup_lock(path: Path) -> AbstractContextManager[None]:
    """Exclude other programs from starting or stopping the engines."""
    return locks.exclusive_lock(path / "engines.gate", within_s=STARTUP_LOCK_S)


def _prepare(path: Path) -> DataDir:
    programs = (postgres.program("postgres"), valkey.program())
    return data_dirs.prepare(path, data=path / "postgres", programs=programs)


def _engines(directory: DataDir) -> tuple[Engine, Engine]:
    return valkey.Valkey(directory), postgres.Postgres(directory)


def _start(engine: Engine, on_step: Callable[[str], None]) -> None:
    """Start the engine unless it is running, and wait until it is ready."""
    began = time.monotonic()
    if _is_running(engine):
        on_step(f"{engine.title} was already running")
        return
    data_dirs.rotate_log(engine.log)
    try:
        with locks.open_lock(engine.lock) as lock:
            taken = locks.try_lock(lock, fcntl.LOCK_EX)
            assert taken, "the lock was free, and is taken under the startup lock only"
            engine.start(lock)
        if not _is_running(engine):
            raise EmbeddedError("it ended immediately.")
    except EmbeddedError as error:
        log = f"The last lines of {engine.log}:\n{data_dirs.last_lines(engine.log)}"
        raise EmbeddedError(f"{engine.title} did not start: {error} {log}") from error
    on_step(f"{engine.title} ready in {time.monotonic() - began:.2f} s")


def _is_running(engine: Engine) -> bool:
    """Whether the engine runs and is ready.

    Waits while the engine is starting or stopping, as it may be after its program was killed.
    """
    if not locks.wait_until(lambda: locks.is_free(engine.lock) or engine.is_ready(), within_s=READY_S):
        raise EmbeddedError(f"{engine.title} is running but does not respond; see {engine.log}.")
    return not locks.is_free(engine.lock)


def _stop_if_last_user(users: int, directory: DataDir, on_step: Callable[[str], None]) -> None:
    """Stop the engines unless another program uses them."""
    try:
        if locks.try_lock(users, fcntl.LOCK_EX):
            for engine in _engines(directory):
                _stop(engine, on_step)
            directory.remove_socket_dir()
    finally:
        # Unlock under the startup lock: the file is closed only after the next program may have entered.
        fcntl.flock(users, fcntl.LOCK_UN)


def _stop(engine: Engine, on_step: Callable[[str], None]) -> None:
    """Stop the engine and wait until its last process has ended."""
    began = time.monotonic()
    if not _is_running(engine):
        return
    engine.stop()
    if not locks.wait_until(lambda: locks.is_free(engine.lock), within_s=STOPPED_S):
        raise EmbeddedError(f"{engine.title} did not stop within {STOPPED_S} s; see {engine.log}.")
    on_step(f"{engine.title} stopped in {time.monotonic() - began:.2f} s")
