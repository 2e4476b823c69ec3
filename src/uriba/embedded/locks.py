"""File locks. The kernel releases a lock when its last holder closes the file or ends, also when it is killed."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from uriba.embedded.errors import EmbeddedError

POLL_S = 0.01


def wait_until(condition: Callable[[], bool], *, within_s: float) -> bool:
    """Poll the condition until it holds; return False at the deadline."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def try_lock(lock: int, kind: int) -> bool:
    """Take the lock without waiting and return whether it was taken; `kind` is fcntl.LOCK_SH or LOCK_EX."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def open_lock(path: Path) -> Iterator[int]:
    """Open the lock file without locking it.

    Closing releases the lock, unless a child process still has the file open.
    """
    lock = open_private(path, os.O_RDWR)
    try:
        yield lock
    finally:
        os.close(lock)


@contextmanager
def exclusive_lock(path: Path, *, within_s: float) -> Iterator[None]:
    """Hold the lock exclusively. Errors: `EmbeddedError` if it is not free within `within_s` seconds."""
    with open_lock(path) as lock:
        if not wait_until(lambda: try_lock(lock, fcntl.LOCK_EX), within_s=within_s):
            raise EmbeddedError(f"Another program has been holding {path} for {within_s:.0f} s.")
        yield


def is_free(path: Path) -> bool:
    """Whether no process holds the lock."""
    with open_lock(path) as lock:
        return try_lock(lock, fcntl.LOCK_EX)


def open_private(path: Path, mode: int) -> int:
    """Open or create a file with mode 0600 that belongs to the owner of its folder.

    Symbolic links are refused, so that the owner of the folder cannot make root write to a file elsewhere.
    """
    file = os.open(path, mode | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(file, folder.st_uid, folder.st_gid)
    return file
