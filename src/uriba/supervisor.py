"""The processes of `uriba up`: kept running, and drained together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from types import FrameType

import structlog
from pydantic import SecretStr

from uriba.config import Settings

DRAIN_S = 25
LOOK_S = 0.5
RESTART_PAUSE_S = 1.0

log = structlog.get_logger()


class NotListening(Exception):
    """The address that was asked for cannot be listened on."""


def listenable(host: str, port: int) -> int:
    """The port, once it is seen to be free; for 0 one that is. Errors: `NotListening`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise NotListening(
                f"Cannot listen on {host}, port {port}: {error.strerror}. See --host, --port."
            ) from error
        return int(probe.getsockname()[1])


class Terminated(SystemExit):
    """Somebody asked us to end: leave every `with` block on the way out."""


@contextmanager
def terminating() -> Iterator[None]:
    """Let SIGTERM, and the end of the terminal, unwind this process as an interrupt does, so that engines and processes
    are stopped by whoever started them."""

    def unwind(_signal: int, _frame: FrameType | None) -> None:
        raise Terminated(0)

    before = {number: signal.signal(number, unwind) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def environment(settings: Settings) -> dict[str, str]:
    """The settings as variables, for processes that read them again."""
    found = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is not None and value != Settings.model_fields[name].get_default(call_default_factory=True):
            found[f"URIBA_{name.upper()}"] = _as_text(value)
    return found


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, tuple) else str(value)


def supervise(settings: Settings) -> None:
    """Run API and worker until told to end; one that dies is started again."""
    # The processes share a folder for their metrics; any API process shows them all.
    with TemporaryDirectory(prefix="uriba-metrics-") as folder:
        _keep_running({**os.environ, **environment(settings), "PROMETHEUS_MULTIPROC_DIR": folder})


def _keep_running(inherited: dict[str, str]) -> None:
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in ("api", "worker"):
            running[name] = _start(name, inherited)
        while True:
            time.sleep(LOOK_S)
            for name, process in running.items():
                if process.poll() is not None:
                    log.error("process ended, starting it again", process=name, status=process.returncode)
                    time.sleep(RESTART_PAUSE_S)
                    running[name] = _start(name, inherited)
    except KeyboardInterrupt:
        return
    finally:
        _drain(list(running.values()))


def _start(name: str, inherited: dict[str, str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches only the supervisor, which drains them in its own time.
    return subprocess.Popen([sys.executable, "-m", "uriba", name], env=inherited, start_new_session=True)


def _drain(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until = time.monotonic() + DRAIN_S
    for process in processes:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
