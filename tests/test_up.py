"""`uriba up` with real processes: engines, API and worker start together and end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.engines import stop_engines
from tests.support.ports import free_port
from uriba import embedded
from uriba.embedded import locks

pytestmark = pytest.mark.engines

START_S = 60
END_S = 40
PROCESSES = ["uriba: api 1", "uriba: api 2", "uriba: worker"]
FURTHER_PROCESS_BYTES_MAX = 45_000_000
"""The memory of a process that it does not share with the others, which all run the same imported code."""


@pytest.fixture
def port() -> int:
    """A free port of the loopback."""
    return free_port()


@pytest.fixture
def up(port: int) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A running `uriba up` and its data directory, which every user can reach."""
    with tempfile.TemporaryDirectory(prefix="uriba-test-") as parent:
        Path(parent).chmod(0o755)
        data_dir = Path(parent, "data")
        env = {name: value for name, value in os.environ.items() if not name.startswith("URIBA_")}
        with subprocess.Popen(
            [sys.executable, "-m", "uriba", "up", "--data-dir", str(data_dir), "--port", str(port), "--processes", "2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        ) as hub:
            yield hub, data_dir
            hub.kill()
        stop_engines(data_dir)


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


def test_runs_its_processes_and_ends_them_together(up: tuple[subprocess.Popen[bytes], Path], port: int) -> None:
    hub, data_dir = up
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", verify=False) as http:  # noqa: S501
        assert locks.wait_until(lambda: is_ready(http), within_s=START_S)
        assert locks.wait_until(lambda: sorted(titles(hub)) == PROCESSES, within_s=START_S), titles(hub)
        ours = titles(hub)
        for process in ours.values():
            assert process.memory_full_info().uss < FURTHER_PROCESS_BYTES_MAX, process.cmdline()

        killed = ours["uriba: api 1"]
        killed.kill()

        def is_restarted() -> bool:
            found = titles(hub)
            return sorted(found) == PROCESSES and found["uriba: api 1"] != killed

        assert locks.wait_until(is_restarted, within_s=START_S), titles(hub)

        create_product(http, data_dir)
        # The worker counts, and the API shows it: they share their metrics.
        assert locks.wait_until(lambda: metric(http, "uriba_events_relayed_total") > 0, within_s=START_S)

    processes = psutil.Process(hub.pid).children(recursive=True)
    hub.send_signal(signal.SIGTERM)

    assert hub.wait(END_S) == 0
    _, still_running = psutil.wait_procs(processes, timeout=END_S)
    assert still_running == []
    assert embedded.find_engines(data_dir) is None


def titles(hub: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    """Return the live processes of the hub by their titles."""
    found = {}
    for process in psutil.Process(hub.pid).children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess, IndexError):
            found[process.cmdline()[0]] = process
    return found


def create_product(http: httpx.Client, data_dir: Path) -> None:
    command = (sys.executable, "-m", "uriba", "key", "staff", "--name", "test", "--data-dir", str(data_dir))
    key = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    variants = '[{ sku: "TEA", name: "Tea" }]'
    mutation = f'mutation {{ productsUpsert(products: [{{ handle: "tea", name: "Tea", variants: {variants} }}]) {{ errors {{ code }} }} }}'
    response = http.post("/graphql", json={"query": mutation}, headers={"authorization": f"Bearer {key}"}).json()
    assert response == {"data": {"productsUpsert": {"errors": []}}}


def metric(http: httpx.Client, name: str) -> float:
    return next(float(line.split()[1]) for line in http.get("/metrics").text.splitlines() if line.startswith(name))
