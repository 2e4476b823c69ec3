"""Writing files so that they survive a crash: atomic replacement, fsync, and a lock on the till's folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uriba.till.errors import TillInUse


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file atomically: after a crash it has either the old content or all of the new."""
    temporary = path.with_name(f"{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_and_fsync(descriptor, content)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    fsync_folder(path.parent)


def write_and_fsync(descriptor: int, content: bytes) -> None:
    """Write all of the content; it is on disk when this returns."""
    written = 0
    while written < len(content):
        written += os.write(descriptor, content[written:])
    os.fsync(descriptor)


def fsync_folder(folder: Path) -> None:
    """Flush a folder's directory entries: a new or renamed file is only safe once its name is on disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the exclusive lock of a till's folder. The lock ends with its process, also if that is killed.

    Errors: `TillInUse`.
    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise TillInUse(f"Another command is using the till in {folder}. Wait until it ends, or stop it.") from None
    try:
        yield
    finally:
        os.close(lock)
