"""A hub of the benchmark's own, as `uriba up` starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from uriba import embedded

READY_S = 90
DRAIN_S = 120
COMMAND_S = 120


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub, and its processes for looking at what they cost."""

    port: int
    data_dir: Path
    database_url: str
    api: psutil.Process
    postgres: psutil.Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    def key(self, *asked: str) -> str:
        """A new key: key("terminal", "--location", "S1")."""
        return command("key", *asked, "--data-dir", str(self.data_dir)).stdout.splitlines()[-1]


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(data_dir: Path, *, processes: int, settings: Mapping[str, str] | None = None) -> Iterator[Hub]:
    """A hub on a free port, drained at the end; `settings` are variables that are not the defaults."""
    port = free_port()
    arguments = ("up", "--data-dir", str(data_dir), "--port", str(port), "--processes", str(processes))
    data_dir.mkdir(parents=True)
    log = data_dir / "up.log"
    with log.open("wb") as said:
        # A session of its own: Ctrl-C reaches only us, and the hub is drained in its own time.
        up = subprocess.Popen(
            (sys.executable, "-m", "uriba", *arguments),
            stdout=said,
            stderr=said,
            env=_environment() | dict(settings or {}),
            start_new_session=True,
        )
    try:
        _await_ready(up, port, log)
        engines = embedded.find_engines(data_dir)
        assert engines is not None
        yield Hub(port, data_dir, engines.database_url, _api(up.pid), _postgres(data_dir))
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(DRAIN_S)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of the command line, done."""
    ended = subprocess.run(
        (sys.executable, "-m", "uriba", *arguments),
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=COMMAND_S,
        check=False,
    )
    if ended.returncode and arguments[0] != "check":
        raise RuntimeError(f"uriba {' '.join(arguments)} failed: {ended.stderr}")
    return ended


def check(data_dir: Path) -> tuple[bool, str]:
    """Whether all invariants hold, and the table of `uriba check`."""
    ended = command("check", "--data-dir", str(data_dir))
    return ended.returncode == 0, ended.stdout + ended.stderr


def _environment() -> dict[str, str]:
    """Ours, without anyone's settings of a hub: every figure is one of the defaults."""
    return {name: value for name, value in os.environ.items() if not name.startswith("URIBA_")} | {"COLUMNS": "110"}


def _await_ready(up: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until and up.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"uriba up did not come up: {log.read_text()}")


def _api(up: int) -> psutil.Process:
    """The API process; with several, the one that all others are children of."""
    (found,) = (child for child in psutil.Process(up).children() if child.cmdline()[-2:] == ["uriba", "api"])
    return found


def _postgres(data_dir: Path) -> psutil.Process:
    """The server that all connections' processes are children of."""
    return psutil.Process(int((data_dir / "postgres" / "postmaster.pid").read_text().partition("\n")[0]))
