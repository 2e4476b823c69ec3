"""`uriba up` with real processes: engines, API and worker start together and end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from uriba import embedded
from uriba.embedded import locks

START_S = 60
END_S = 40


@pytest.fixture
def port() -> int:
    """A free port of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def up(port: int) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A running `uriba up` and its data directory, which every user can reach."""
    with tempfile.TemporaryDirectory(prefix="uriba-test-") as parent:
        Path(parent).chmod(0o755)
        data_dir = Path(parent, "data")
        env = {name: value for name, value in os.environ.items() if not name.startswith("URIBA_")}
        with subprocess.Popen(
            [sys.executable, "-m", "uriba", "up", "--data-dir", str(data_dir), "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        ) as hub:
            yield hub, data_dir
            hub.kill()


def is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("command", ["up", "api"])
def test_refuses_a_port_that_is_in_use_before_anything_is_created(command: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "uriba", command, "--data-dir", str(tmp_path / "data"), "--port", port],
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )

    assert ended.returncode == 1
    assert ended.stderr == (
        f"Cannot listen on 127.0.0.1, port {port}: Address already in use. Choose others with --host and --port.\n"
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_processes(
    up: tuple[subprocess.Popen[bytes], Path], port: int, number: signal.Signals
) -> None:
    hub, data_dir = up
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", verify=False) as http:  # noqa: S501
        assert locks.wait_until(lambda: is_ready(http), within_s=START_S)
    processes = psutil.Process(hub.pid).children(recursive=True)
    commands = [" ".join(process.cmdline()) for process in processes]
    assert any(command.endswith("uriba api") for command in commands)
    assert any(command.endswith("uriba worker") for command in commands)

    hub.send_signal(number)

    assert hub.wait(END_S) == 0
    _, still_running = psutil.wait_procs(processes, timeout=END_S)
    assert still_running == []
    assert embedded.find_engines(data_dir) is None
