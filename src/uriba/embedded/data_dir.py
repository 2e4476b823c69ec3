"""The folder that holds all the engines write, and the private folder of their sockets."""

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

from . import locks
from .account import Account, choose, reaching
from .errors import EmbeddedError

SOCKET_PATH_BYTES_MAX = 103  # macOS; Linux takes 107
SOCKET_NAME_BYTES_MAX = len("/.s.PGSQL.5432")
# What URLs, libpq's lists of hosts and PostgreSQL's lists of folders all take as it is.
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+")
LINK = "sockets-elsewhere"
LOG_BYTES_MAX = 16 * 1024 * 1024
LOG_TAIL_BYTES = 4096
LOG_TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class Home:
    """A data dir that is ready for the engines, and the user that runs them."""

    folder: Path
    sockets: Path
    account: Account

    def open_log(self, path: Path) -> BinaryIO:
        """Append to a log that the engines' user may write too."""
        log = os.fdopen(locks.open_owned(path, os.O_WRONLY | os.O_APPEND), "ab")
        self.account.own(path)
        return log

    def make_folder(self, path: Path) -> None:
        """Make a folder that only the engines' user (and root) reaches."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.account.own(path)

    def drop_sockets(self) -> None:
        """Remove the folder of the sockets if it lies in the temp dir; the engines have emptied it."""
        if self.sockets.parent != self.folder:
            with suppress(OSError):
                self.sockets.rmdir()


def prepare(folder: Path, *, data: Path, programs: tuple[Path, ...]) -> Home:
    """Make the data dir and its sockets' folder, and find the user that reaches them and the programs."""
    account = choose(folder, data)
    sockets = _make_sockets(folder, account)
    return Home(folder, sockets, reaching(account, (folder, sockets, *programs)))


def sockets_of(folder: Path) -> Path:
    """Where the sockets of a data dir lie: inside, or if that path does not do, in the temp dir.

    The data dir keeps a link to the latter, as another program's temp dir may be another one. A link that
    came along in a copy of the data dir has the wrong name and is not followed.
    """
    inside = folder / "sockets"
    if _fits(inside):
        return inside
    short = "uriba-" + hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    link = folder / LINK
    if link.is_symlink() and (linked := link.readlink()).name == short and linked.parent.is_dir():
        return linked
    return Path(tempfile.gettempdir(), short)


def set_aside_if_long(log: Path) -> None:
    """Keep one old log, and no log of more than some size at the start."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(log.name + ".old"))


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"({error.strerror})"
    return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])


def package_folder(package: str) -> Path:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"The package {package}, which brings an embedded engine, is not installed. Install it, or set "
            "URIBA_DATABASE_URL and URIBA_VALKEY_URL to use servers of your own."
        )
    return Path(spec.origin).parent


def _make_sockets(folder: Path, account: Account) -> Path:
    """Make the folder of the sockets, or refuse one that somebody else has put there."""
    sockets = sockets_of(folder)
    if not _fits(sockets):
        raise EmbeddedError(f"{sockets} is too long for a socket, or not plain; set TMPDIR to a shorter path.")
    sockets.mkdir(mode=0o700, exist_ok=True)
    found = sockets.lstat()
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    # The owner may still be root: whoever made it was killed before it gave the folder away.
    if not private or found.st_uid not in {account.uid, os.geteuid()}:
        raise EmbeddedError(f"{sockets} is not a private folder of user {account.name}; remove it.")
    account.own(sockets)
    link = folder / LINK
    if sockets.parent != folder and not (link.is_symlink() and link.readlink() == sockets):
        link.unlink(missing_ok=True)
        link.symlink_to(sockets)
    if not os.access(sockets, os.W_OK | os.X_OK):
        raise EmbeddedError(
            f"This root user lacks the capability dac_override, so it cannot reach {sockets} of user "
            f"{account.name}. Run this as an ordinary user."
        )
    return sockets


def _fits(sockets: Path) -> bool:
    """Whether sockets in this folder have paths that the system and every client accept."""
    length = len(os.fsencode(sockets)) + SOCKET_NAME_BYTES_MAX
    return length <= SOCKET_PATH_BYTES_MAX and PLAIN_PATH.fullmatch(str(sockets)) is not None
