"""Files that survive a crash: replaced as a whole or not at all, and locked while a command works with them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uriba.till.errors import InUse


def replace(path: Path, content: bytes) -> None:
    """Have this content on disk, or what was there before: never half of it."""
    new = path.with_name(f"{path.name}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write(handle, content)
    finally:
        os.close(handle)
    new.replace(path)
    settle(path.parent)


def write(handle: int, content: bytes) -> None:
    """Have all of it on disk when this returns."""
    written = 0
    while written < len(content):
        written += os.write(handle, content[written:])
    os.fsync(handle)


def settle(folder: Path) -> None:
    """Have the names in a folder on disk too: a new file is only safe with its name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only command that writes in this folder. The lock ends with its holder, also when that one is killed.

    Errors: `InUse`.
    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise InUse(f"Another command is working with the till in {folder}. Wait for it, or end it.") from None
    try:
        yield
    finally:
        os.close(lock)
