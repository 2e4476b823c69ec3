"""The hub of the benchmark, started by `uriba up`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from uriba import embedded

READY_WITHIN_S = 90
DRAIN_WITHIN_S = 120
COMMAND_WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub, and its processes, to read what they use."""

    port: int
    data_dir: Path
    database_url: str
    api_processes: Sequence[psutil.Process]
    postgres: psutil.Process

    @property
    def api(self) -> psutil.Process:
        """The only API process, or the first one."""
        return self.api_processes[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    def create_key(self, *arguments: str) -> str:
        """Create a key with `uriba key`: create_key("terminal", "--location", "S1")."""
        return run_command("key", *arguments, "--data-dir", str(self.data_dir)).stdout.splitlines()[-1]


def free_port() -> int:
    """Return a free port of the loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def run_hub(data_dir: Path, *, processes: int, settings: Mapping[str, str] | None = None) -> Iterator[Hub]:
    """Run a hub on a free port, and drain it at the end. `settings` are environment variables."""
    port = free_port()
    arguments = ("up", "--data-dir", str(data_dir), "--port", str(port), "--processes", str(processes))
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "up.log"
    with log.open("wb") as output:
        # In a session of its own, so that Ctrl-C reaches only the benchmark, which then drains the hub.
        process = subprocess.Popen(
            (sys.executable, "-m", "uriba", *arguments),
            stdout=output,
            stderr=output,
            env=_environment() | dict(settings or {}),
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, port, log)
        engines = embedded.find_engines(data_dir)
        assert engines is not None
        yield Hub(port, data_dir, engines.database_url, _api_processes(process.pid), _postgres_process(data_dir))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DRAIN_WITHIN_S)


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `uriba` to its end. Errors: `RuntimeError` if it fails, except for `check`."""
    process = subprocess.run(
        (sys.executable, "-m", "uriba", *arguments),
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=COMMAND_WITHIN_S,
        check=False,
    )
    if process.returncode and arguments[0] != "check":
        raise RuntimeError(f"uriba {' '.join(arguments)} failed: {process.stderr}")
    return process


def check_invariants(data_dir: Path) -> tuple[bool, str]:
    """Return whether all invariants hold, and the output of `uriba check`."""
    process = run_command("check", "--data-dir", str(data_dir))
    return process.returncode == 0, process.stdout + process.stderr


def _environment() -> dict[str, str]:
    """Return this environment without URIBA_ variables, so that the hub has its default settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("URIBA_")} | {"COLUMNS": "110"}


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError(f"uriba up did not start: {log.read_text()}")


def _api_processes(supervisor_pid: int) -> list[psutil.Process]:
    """Return the API processes, which have a title instead of a command line."""
    children = psutil.Process(supervisor_pid).children()
    return [child for child in children if child.cmdline()[0].startswith("uriba: api")]


def _postgres_process(data_dir: Path) -> psutil.Process:
    """Return the postmaster; the processes of all connections are its children."""
    return psutil.Process(int((data_dir / "postgres" / "postmaster.pid").read_text().partition("\n")[0]))
