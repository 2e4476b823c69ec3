"""The data directory, which holds all files of the engines, and the private folder of their sockets."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from uriba.embedded import locks
from uriba.embedded.account import Account, choose_account, with_access_to
from uriba.embedded.errors import EmbeddedError

SOCKET_PATH_BYTES_MAX = 103
"""The limit of macOS; Linux allows 107."""

SOCKET_NAME_BYTES_MAX = len("/.s.PGSQL.5432")

PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+")
"""Characters that need no quoting in URLs, in libpq's lists of hosts and in PostgreSQL's lists of folders."""

SOCKETS_LINK = "sockets-elsewhere"
"""The link in the data directory to a socket folder in the temporary directory."""

LOG_BYTES_MAX = 16 * 1024 * 1024
LAST_LINES_BYTES = 4096
LAST_LINES_MAX = 20


@dataclass(frozen=True, slots=True)
class DataDir:
    """A data directory that is prepared for the engines, and the user that runs them."""

    path: Path
    sockets: Path
    account: Account

    def open_log(self, path: Path) -> BinaryIO:
        """Open a log for appending; the engines' user can write to it too."""
        log = os.fdopen(locks.open_private(path, os.O_WRONLY | os.O_APPEND), "ab")
        self.account.take_ownership(path)
        return log

    def make_folder(self, path: Path) -> None:
        """Create a folder that only the engines' user and root can enter."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.account.take_ownership(path)

    def remove_socket_dir(self) -> None:
        """Remove the socket folder if it is in the temporary directory; the engines have removed their sockets."""
        if self.sockets.parent != self.path:
            with suppress(OSError):
                self.sockets.rmdir()


def prepare(path: Path, *, data: Path, programs: tuple[Path, ...]) -> DataDir:
    """Create the socket folder of a data directory, and choose a user who can reach it and the programs."""
    account = choose_account(path, data)
    sockets = _make_socket_dir(path, account)
    return DataDir(path, sockets, with_access_to(account, (path, sockets, *programs)))


def socket_dir(path: Path) -> Path:
    """Return the socket folder of a data directory: inside it, or in the temporary directory if that path is too long
    or not plain.

    A link in the data directory points to the latter, because another program may have another temporary directory.
    A link that was copied with its data directory has another name and is ignored.
    """
    inside = path / "sockets"
    if _is_usable(inside):
        return inside
    short = "uriba-" + hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    link = path / SOCKETS_LINK
    if link.is_symlink() and (linked := link.readlink()).name == short and linked.parent.is_dir():
        return linked
    return Path(tempfile.gettempdir(), short)


def rotate_log(log: Path) -> None:
    """Rename a log that is longer than `LOG_BYTES_MAX` to `.old`, replacing the previous one."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(log.name + ".old"))


def last_lines(log: Path) -> str:
    """Return the last lines of a log, or why it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LAST_LINES_BYTES))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"({error.strerror})"
    return "\n".join(text.splitlines()[-LAST_LINES_MAX:])


def package_folder(package: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"The package {package}, which contains an embedded engine, is not installed. Install it, or set "
            "URIBA_DATABASE_URL and URIBA_VALKEY_URL to use servers of your own."
        )
    return Path(spec.origin).parent


def _make_socket_dir(path: Path, account: Account) -> Path:
    """Create the socket folder. Errors: `EmbeddedError` for an existing one that others can use or own."""
    sockets = socket_dir(path)
    if not _is_usable(sockets):
        raise EmbeddedError(
            f"{sockets} is too long for a socket or has characters that need quoting. Set TMPDIR to a shorter path."
        )
    sockets.mkdir(mode=0o700, exist_ok=True)
    status = sockets.lstat()
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    # Root still owns the folder if the program that created it was killed before it changed the owner.
    if not private or status.st_uid not in {account.uid, os.geteuid()}:
        raise EmbeddedError(f"{sockets} is not a private folder of user {account.name}. Remove it.")
    account.take_ownership(sockets)
    link = path / SOCKETS_LINK
    if sockets.parent != path and not (link.is_symlink() and link.readlink() == sockets):
        link.unlink(missing_ok=True)
        link.symlink_to(sockets)
    if not os.access(sockets, os.W_OK | os.X_OK):
        raise EmbeddedError(
            f"This root user lacks the capability dac_override, so it cannot reach {sockets} of user "
            f"{account.name}. Run this as an ordinary user."
        )
    return sockets


def _is_usable(sockets: Path) -> bool:
    """Whether the paths of sockets in this folder are accepted by the system and by every client."""
    length = len(os.fsencode(sockets)) + SOCKET_NAME_BYTES_MAX
    return length <= SOCKET_PATH_BYTES_MAX and PLAIN_PATH.fullmatch(str(sockets)) is not None
