"""The user the engines run as, and how a command is run as that user.

PostgreSQL refuses to run as root. Then both engines run as an ordinary user of the system.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from .errors import EmbeddedError

PREFERRED = ("uriba", "postgres", "nobody")
PROBE = 'for path; do test -x "$path" || { echo "$path"; exit 1; }; done'
PROBE_S = 10


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the system; `lifted` means that closed folders do not stop its commands."""

    uid: int
    gid: int
    name: str
    lifted: bool = False

    def run(
        self,
        command: Sequence[str | Path],
        *,
        output: IO[bytes] | int,
        within_s: float,
        lock: int | None = None,
        typed: bytes = b"",
        settings: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command as this user, in its own session so that Ctrl-C in the terminal does not reach it.

        What the command starts keeps `lock` open, so the lock lasts as long as that lives. `typed` is its
        input, `settings` are added to its environment.
        """
        switch = not self.lifted and self.uid != os.geteuid()
        try:
            return subprocess.run(
                [*self._prefix(), *map(str, command)],
                input=typed,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=() if lock is None else (lock,),
                cwd="/",
                env=environment() | (settings or {}),
                start_new_session=True,
                timeout=within_s,
                user=self.uid if switch else None,
                group=self.gid if switch else None,
                extra_groups=() if switch else None,
                umask=0o077,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EmbeddedError(f"{command[0]} was not done after {within_s:.0f} s.") from error
        except OSError as error:
            raise EmbeddedError(f"Cannot run {command[0]} as user {self.name}: {error.strerror}.") from error

    def own(self, path: Path) -> None:
        """Give a file or folder, never what a link points to, to this user; only root can and needs to."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_all(self, folder: Path) -> None:
        """Give a folder with all it holds to this user."""
        self.own(folder)
        for parent, folders, files in os.walk(folder):
            for name in folders + files:
                self.own(Path(parent, name))

    def _prefix(self) -> list[str]:
        """The start of a command of a lifted account.

        Of all rights of root the command keeps one, dac_override, which containers have by default.
        """
        if not self.lifted:
            return []
        rights = [f"--{kind}=-all,+dac_override" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
        setpriv = shutil.which("setpriv") or "setpriv"
        return [setpriv, f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", *rights, "--"]


def choose(folder: Path, data: Path) -> Account:
    """Ourselves; or as root the owner of the data or of its folder, or else an unprivileged user."""
    if own_uid := os.geteuid():
        return _ourselves(own_uid, data)
    owners = (_named(path.stat().st_uid) for path in (data, folder) if path.exists())
    for account in owners:
        if account is not None and account.uid != 0:
            return account
    for name in PREFERRED:
        if account := _named(name):
            return account
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and none of the users {', '.join(PREFERRED)} exists. "
        "Create a user named uriba, or run this as an ordinary user."
    )


def reaching(account: Account, paths: Sequence[Path]) -> Account:
    """The account, lifted if a closed folder keeps it from one of the paths.

    Opening those folders for everybody would be easier, but they are not ours to open.
    """
    if account.uid == os.geteuid():
        return account
    closed = _first_closed(account, paths)
    if not closed:
        return account
    lifted = replace(account, lifted=True)
    if shutil.which("setpriv") is None:
        lacking = "the tool setpriv (package util-linux) is missing"
    elif _first_closed(lifted, paths):
        lacking = "this root user lacks the capability dac_override"
    else:
        return lifted
    raise EmbeddedError(
        f"The user {account.name}, who runs the engines for root, cannot reach {closed}, and {lacking}. "
        "Use a data dir and an installation outside closed folders, or run this as an ordinary user."
    )


def _ourselves(uid: int, data: Path) -> Account:
    """The account of this very program."""
    account = _named(uid)
    if account is None:
        raise EmbeddedError(f"PostgreSQL needs a name for the user id {uid}; add it to the system's users.")
    if data.exists() and (owner := data.stat().st_uid) != uid:
        raise EmbeddedError(
            f"{data} belongs to user id {owner}, not to {account.name}. Run as that user or as root, or "
            "choose another data dir."
        )
    return account


def _named(user: int | str) -> Account | None:
    """A user of the system by id or name."""
    try:
        entry = pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
    except KeyError:
        return None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, name=entry.pw_name)


def _first_closed(account: Account, paths: Sequence[Path]) -> str:
    """The first path that the account cannot enter or run, or nothing; the system itself is asked."""
    probe = account.run(["/bin/sh", "-c", PROBE, "sh", *paths], output=subprocess.PIPE, within_s=PROBE_S)
    return probe.stdout.decode(errors="replace").strip() if probe.returncode else ""


def environment() -> dict[str, str]:
    """Our environment without what would change PostgreSQL's settings or language."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
