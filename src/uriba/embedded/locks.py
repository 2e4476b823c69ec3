"""Locks on files: the kernel drops one with its last holder, also when that one is killed."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import EmbeddedError


def wait_for(met: Callable[[], bool], *, within_s: float) -> bool:
    """Ask until the answer is yes, or say no when the time is over."""
    deadline = time.monotonic() + within_s
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def attempt(lock: int, kind: int) -> bool:
    """Take the lock if that needs no waiting; `kind` is fcntl.LOCK_SH or LOCK_EX."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The lock file, not yet locked; closing lets the lock go unless a child still has it open."""
    lock = open_owned(path, os.O_RDWR)
    try:
        yield lock
    finally:
        os.close(lock)


@contextmanager
def alone(path: Path, *, within_s: float) -> Iterator[None]:
    """Hold the lock exclusively, waiting for the others."""
    with opened(path) as lock:
        if not wait_for(lambda: attempt(lock, fcntl.LOCK_EX), within_s=within_s):
            raise EmbeddedError(f"Another program has been holding {path} for {within_s:.0f} s.")
        yield


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock."""
    with opened(path) as lock:
        return attempt(lock, fcntl.LOCK_EX)


def open_owned(path: Path, mode: int) -> int:
    """Open or create a private file that belongs to the owner of its folder.

    A link is refused: root must not be led to a file outside by the owner of the folder.
    """
    file = os.open(path, mode | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(file, folder.st_uid, folder.st_gid)
    return file
