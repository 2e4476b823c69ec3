"""The processes of `uriba up`: started, restarted when one ends, and stopped together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from types import FrameType

import structlog
from pydantic import SecretStr

from uriba.config import Settings

SHUTDOWN_TIMEOUT_S = 25
POLL_S = 0.5
RESTART_PAUSE_S = 1.0

PROCESSES = ("api", "worker")

log = structlog.get_logger()


class AddressUnavailable(Exception):
    """The API cannot listen on an address and port."""


def find_port(host: str, port: int) -> int:
    """Return the port if the API can listen on it; for port 0, a free one. Errors: `AddressUnavailable`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AddressUnavailable(
                f"Cannot listen on {host}, port {port}: {error.strerror}. Choose others with --host and --port."
            ) from error
        return int(probe.getsockname()[1])


class Terminated(SystemExit):
    """A signal asked this process to end. As an exception, so that every `with` block cleans up."""


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM and when the terminal closes, so that engines and child processes are stopped."""

    def terminate(_signal: int, _frame: FrameType | None) -> None:
        raise Terminated(0)

    before = {number: signal.signal(number, terminate) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the settings that are not the defaults as environment variables, for child processes."""
    variables = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if value is not None and value != field.get_default(call_default_factory=True):
            variables[f"URIBA_{name.upper()}"] = _to_text(value)
    return variables


def _to_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, tuple) else str(value)


def supervise(settings: Settings) -> None:
    """Run the API and the worker until this process is asked to end; restart one that ends by itself."""
    # The processes share a folder for their metrics, so that each API process can show those of all.
    with TemporaryDirectory(prefix="uriba-metrics-") as folder:
        _keep_running({**os.environ, **to_environment(settings), "PROMETHEUS_MULTIPROC_DIR": folder})


def _keep_running(environment: Mapping[str, str]) -> None:
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in PROCESSES:
            running[name] = _start(name, environment)
        while True:
            time.sleep(POLL_S)
            for name, process in running.items():
                if process.poll() is not None:
                    log.error("a process ended and is restarted", process=name, status=process.returncode)
                    time.sleep(RESTART_PAUSE_S)
                    running[name] = _start(name, environment)
    except KeyboardInterrupt:
        return
    finally:
        _stop(list(running.values()))


def _start(name: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # In a session of its own: Ctrl-C reaches the supervisor only, which then stops the processes.
    return subprocess.Popen([sys.executable, "-m", "uriba", name], env=environment, start_new_session=True)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask the processes to end; kill those that did not within the time limit."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until = time.monotonic() + SHUTDOWN_TIMEOUT_S
    for process in processes:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
