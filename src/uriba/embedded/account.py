"""The system user that runs the engines.

PostgreSQL refuses to run as root, so for root both engines run as an ordinary user of the system.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from uriba.embedded.errors import EmbeddedError

PREFERRED_USERS = ("uriba", "postgres", "nobody")
ACCESS_CHECK = 'for path; do test -x "$path" || { echo "$path"; exit 1; }; done'
ACCESS_CHECK_S = 10


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the system. `bypasses_permissions`: its commands can enter folders that are closed to the user."""

    uid: int
    gid: int
    name: str
    bypasses_permissions: bool = False

    def run(
        self,
        command: Sequence[str | Path],
        *,
        output: IO[bytes] | int,
        within_s: float,
        lock: int | None = None,
        stdin: bytes = b"",
        variables: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command as this user, in a session of its own so that Ctrl-C in the terminal does not reach it.

        `lock` is inherited by the processes that the command starts, and stays locked until they end. `variables` are
        added to the environment.
        """
        switch = not self.bypasses_permissions and self.uid != os.geteuid()
        try:
            return subprocess.run(
                [*self._prefix(), *map(str, command)],
                input=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=() if lock is None else (lock,),
                cwd="/",
                env=engine_environment() | (variables or {}),
                start_new_session=True,
                timeout=within_s,
                user=self.uid if switch else None,
                group=self.gid if switch else None,
                extra_groups=() if switch else None,
                umask=0o077,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EmbeddedError(f"{command[0]} did not finish within {within_s:.0f} s.") from error
        except OSError as error:
            raise EmbeddedError(f"Cannot run {command[0]} as user {self.name}: {error.strerror}.") from error

    def take_ownership(self, path: Path) -> None:
        """Make this user the owner of a file or folder, without following links. Does nothing unless we are root."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def take_ownership_of_tree(self, folder: Path) -> None:
        """Make this user the owner of a folder and of everything in it."""
        self.take_ownership(folder)
        for parent, folders, files in os.walk(folder):
            for name in folders + files:
                self.take_ownership(Path(parent, name))

    def _prefix(self) -> list[str]:
        """The start of a command of an account that bypasses permissions.

        It keeps one of root's capabilities, dac_override, which containers have by default.
        """
        if not self.bypasses_permissions:
            return []
        rights = [f"--{kind}=-all,+dac_override" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
        setpriv = shutil.which("setpriv") or "setpriv"
        return [setpriv, f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", *rights, "--"]


def choose_account(folder: Path, data: Path) -> Account:
    """Return the account for the engines: the current user; for root, the owner of the data or its folder, if that is
    not root, else the first user of `PREFERRED_USERS`."""
    if own_uid := os.geteuid():
        return _current_account(own_uid, data)
    owners = (_find_account(path.stat().st_uid) for path in (data, folder) if path.exists())
    for account in owners:
        if account is not None and account.uid != 0:
            return account
    for name in PREFERRED_USERS:
        if account := _find_account(name):
            return account
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and none of the users {', '.join(PREFERRED_USERS)} exists. "
        "Create a user named uriba, or run this as an ordinary user."
    )


def with_access_to(account: Account, paths: Sequence[Path]) -> Account:
    """Return the account, bypassing permissions if a closed folder keeps it from one of the paths.

    The folders themselves are left as they are: their permissions are not ours to change.
    """
    if account.uid == os.geteuid():
        return account
    closed = _first_inaccessible(account, paths)
    if not closed:
        return account
    privileged = replace(account, bypasses_permissions=True)
    if shutil.which("setpriv") is None:
        lacking = "the tool setpriv (package util-linux) is missing"
    elif _first_inaccessible(privileged, paths):
        lacking = "this root user lacks the capability dac_override"
    else:
        return privileged
    raise EmbeddedError(
        f"The user {account.name}, who runs the engines for root, cannot reach {closed}, and {lacking}. "
        "Use a data dir and an installation outside closed folders, or run this as an ordinary user."
    )


def engine_environment() -> dict[str, str]:
    """Return our environment without the variables that change PostgreSQL's settings or language."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _current_account(uid: int, data: Path) -> Account:
    """Return the account of this process. Errors: `EmbeddedError` if it has no name or does not own the data."""
    account = _find_account(uid)
    if account is None:
        raise EmbeddedError(f"PostgreSQL needs a name for the user id {uid}; add it to the system's users.")
    if data.exists() and (owner := data.stat().st_uid) != uid:
        raise EmbeddedError(
            f"{data} belongs to user id {owner}, not to {account.name}. Run as that user or as root, or "
            "choose another data dir."
        )
    return account


def _find_account(user: int | str) -> Account | None:
    """Return a user of the system by id or name."""
    try:
        entry = pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
    except KeyError:
        return None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, name=entry.pw_name)


def _first_inaccessible(account: Account, paths: Sequence[Path]) -> str:
    """Return the first path that the account cannot enter or run, or "". Runs a shell as the account to find out."""
    check = account.run(["/bin/sh", "-c", ACCESS_CHECK, "sh", *paths], output=subprocess.PIPE, within_s=ACCESS_CHECK_S)
    return check.stdout.decode(errors="replace").strip() if check.returncode else ""
