"""The supervisor with real processes: it restarts the ones that end or stop responding, and they end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from uriba.embedded import locks

pytestmark = pytest.mark.engines

WITHIN_S = 30

PROGRAM = '''
import os, signal, sys, threading
from functools import partial
from uriba import supervisor
from uriba.supervisor import Program, Supervisor

supervisor.RESTART_PAUSE_S = 0.01
supervisor.PARENT_CHECK_S = 0.01
supervisor.HEARTBEAT_S = 0.05
supervisor.UNRESPONSIVE_S = 3.0

def run(path, beat):
    """Write a line with the process's id; respond for as long as the file `hang` does not exist."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\\n")
    while True:
        if not os.path.exists(path + ".hang"):
            beat()
        threading.Event().wait(0.05)

if __name__ == "__main__":
    with supervisor.exit_on_signals(), Supervisor() as processes:
        for path in sys.argv[1:]:
            processes.start(Program(os.path.basename(path), partial(run, path)))
        processes.keep_running()
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def hub(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A supervisor of two programs, `one` and `two`."""
    with subprocess.Popen(
        [sys.executable, str(folder / "program.py"), str(folder / "one"), str(folder / "two")],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background ignores SIGINT, and its processes do too.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    ) as process:
        yield process
        process.kill()


def started(path: Path, count: int) -> list[int]:
    """Return the process ids that a program has had, when it has been started this often."""

    def lines() -> list[str]:
        return path.read_text().splitlines() if path.exists() else []

    assert locks.wait_until(lambda: len(lines()) >= count, within_s=WITHIN_S), lines()
    return [int(line) for line in lines()]


def test_each_process_has_its_name_and_a_session_of_its_own(hub: subprocess.Popen[str], folder: Path) -> None:
    ids = [started(folder / name, 1)[0] for name in ("one", "two")]

    assert [psutil.Process(pid).cmdline()[0] for pid in ids] == ["uriba: one", "uriba: two"]
    assert len({os.getsid(pid) for pid in (*ids, hub.pid)}) == 3


def test_a_process_that_ended_is_restarted_and_the_other_is_not(hub: subprocess.Popen[str], folder: Path) -> None:
    first = started(folder / "one", 1)[0]
    other = started(folder / "two", 1)

    os.kill(first, signal.SIGKILL)

    assert started(folder / "one", 2)[1] != first
    assert started(folder / "two", 1) == other


def test_a_process_that_does_not_respond_is_killed_and_restarted(hub: subprocess.Popen[str], folder: Path) -> None:
    first = started(folder / "one", 1)[0]

    (folder / "one.hang").touch()

    assert started(folder / "one", 2)[1] != first
    assert not psutil.pid_exists(first)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_all_processes(hub: subprocess.Popen[str], folder: Path, number: signal.Signals) -> None:
    processes = [psutil.Process(started(folder / name, 1)[0]) for name in ("one", "two")]

    hub.send_signal(number)

    assert hub.wait(WITHIN_S) == 0
    assert psutil.wait_procs(processes, timeout=WITHIN_S)[1] == []


def test_the_processes_end_when_the_supervisor_was_killed(hub: subprocess.Popen[str], folder: Path) -> None:
    processes = [psutil.Process(started(folder / name, 1)[0]) for name in ("one", "two")]

    hub.kill()

    assert psutil.wait_procs(processes, timeout=WITHIN_S)[1] == []
