"""The embedded engines: start, stop, sharing between programs, and recovery from crashes."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import asyncpg
import pytest
import redis
from arq.connections import RedisSettings

from uriba.embedded import EmbeddedError, find_engines, locks, run_engines

pytestmark = pytest.mark.engines

PROGRAMS = 6
PROGRAM_SOURCE = """
import pathlib, sys, uriba.embedded
with uriba.embedded.run_engines(pathlib.Path(sys.argv[1]), on_step=lambda step: print(step, flush=True)):
    print("up", flush=True)
    sys.stdin.read()
"""


@contextmanager
def new_data_dir() -> Iterator[Path]:
    """A data directory that does not exist yet, in a folder that others can enter; its engines are stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="uriba-test-") as parent:
        Path(parent).chmod(0o755)
        data_dir = Path(parent, "data")
        yield data_dir
        if find_engines(data_dir):
            with run_engines(data_dir):
                pass


@pytest.fixture
def new() -> Iterator[Path]:
    with new_data_dir() as data_dir:
        yield data_dir


@pytest.fixture(scope="module")
def started_before() -> Iterator[Path]:
    """A data directory with a database, which makes starts faster."""
    with new_data_dir() as data_dir:
        with run_engines(data_dir):
            pass
        yield data_dir


@contextmanager
def another_program(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Run another program that uses the engines."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM_SOURCE, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as program:
        yield program
        program.kill()


def wait_until_up(program: subprocess.Popen[str]) -> None:
    assert program.stdout is not None
    assert "up\n" in program.stdout


def wait_until(condition: Callable[[], bool]) -> None:
    assert locks.wait_until(condition, within_s=30)


def fetch(database_url: str, statement: str) -> Any:
    async def fetch_value() -> Any:
        connection = await asyncpg.connect(database_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(fetch_value())


def answers_ping(valkey_url: str) -> bool:
    with redis.Redis.from_url(valkey_url) as client:
        return bool(client.ping())


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def all_stopped(data_dir: Path) -> bool:
    return all(locks.is_free(data_dir / name) for name in ("postgres.lock", "valkey.lock"))


def test_first_start_creates_the_database_and_the_end_stops_both_engines(new: Path) -> None:
    steps: list[str] = []

    with run_engines(new, on_step=steps.append) as up:
        one = fetch(up.database_url, "SELECT 1")
        answered = answers_ping(up.valkey_url)
        seen = find_engines(new)

    assert (one, answered, seen) == (1, True, up)
    assert [step.split(" in ")[0].split(" ", 2)[::2] for step in steps] == [
        ["Valkey", "ready"],
        ["PostgreSQL", "ready"],
        ["Valkey", "stopped"],
        ["PostgreSQL", "stopped"],
    ]
    assert find_engines(new) is None
    assert all_stopped(new)


def test_find_engines_starts_and_creates_nothing(new: Path) -> None:
    assert find_engines(new) is None
    assert not new.exists()


def test_settings_make_commits_durable(started_before: Path) -> None:
    with run_engines(started_before) as up:
        settings = {
            name: fetch(up.database_url, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "data_checksums", "listen_addresses", "lock_timeout")
        }
        tracked = fetch(up.database_url, "SHOW shared_preload_libraries")
        with redis.Redis.from_url(up.valkey_url) as client:
            policy = client.config_get("maxmemory-policy", "save", "appendonly", "port")

    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "lock_timeout": "0",
    }
    assert tracked == "pg_stat_statements"
    assert policy == {"maxmemory-policy": "noeviction", "save": "", "appendonly": "no", "port": "0"}


def test_arq_accepts_the_valkey_url(started_before: Path) -> None:
    with run_engines(started_before) as up:
        path = RedisSettings.from_dsn(up.valkey_url).unix_socket_path

        assert path is not None
        assert Path(path).is_socket()


def test_ctrl_c_in_the_terminal_does_not_reach_the_engines(started_before: Path) -> None:
    with run_engines(started_before) as up:
        with redis.Redis.from_url(up.valkey_url) as client:
            valkey_pid = client.info("server")["process_id"]

        sessions = {os.getsid(server_pid(started_before)), os.getsid(valkey_pid)}

        assert len(sessions) == 2
        assert os.getsid(0) not in sessions


def test_rows_survive_a_restart(started_before: Path) -> None:
    with run_engines(started_before) as up:
        fetch(up.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")

    with run_engines(started_before) as up:
        assert fetch(up.database_url, "SELECT answer FROM kept") == 42


def test_the_last_user_stops_the_engines(started_before: Path) -> None:
    with ExitStack() as first, ExitStack() as second:
        up = first.enter_context(run_engines(started_before))
        assert second.enter_context(run_engines(started_before)) == up

        first.close()
        assert fetch(up.database_url, "SELECT 1") == 1
        assert answers_ping(up.valkey_url)

        second.close()
        assert find_engines(started_before) is None
        assert all_stopped(started_before)


def test_programs_that_start_at_the_same_time_start_the_engines_once(started_before: Path) -> None:
    steps: list[str] = []
    all_inside = Barrier(PROGRAMS, timeout=30)

    def use_engines(_number: int) -> Any:
        with run_engines(started_before, on_step=steps.append) as up:
            all_inside.wait()
            return fetch(up.database_url, "SELECT 1")

    with ThreadPoolExecutor(PROGRAMS) as programs:
        answers = list(programs.map(use_engines, range(PROGRAMS)))

    assert answers == [1] * PROGRAMS
    assert len([step for step in steps if " ready in " in step]) == 2
    assert len([step for step in steps if " stopped in " in step]) == 2
    assert all_stopped(started_before)


def test_engines_of_a_killed_program_are_reused_and_then_stopped(started_before: Path) -> None:
    with another_program(started_before) as program:
        wait_until_up(program)
        pid = server_pid(started_before)
        program.send_signal(signal.SIGKILL)
        program.wait()
    assert find_engines(started_before)

    with run_engines(started_before) as up:
        assert server_pid(started_before) == pid
        assert fetch(up.database_url, "SELECT 1") == 1

    assert all_stopped(started_before)


def test_first_start_succeeds_after_a_program_was_killed_in_it(new: Path) -> None:
    with another_program(new) as program:
        wait_until(lambda: (new / "postgres.draft" / "base").exists())
        program.send_signal(signal.SIGKILL)
        program.wait()
    assert not (new / "postgres").exists()

    with run_engines(new) as up:
        assert fetch(up.database_url, "SELECT 1") == 1

    assert not (new / "postgres.draft").exists()


def test_killed_engines_are_started_again_without_losing_commits(started_before: Path) -> None:
    with run_engines(started_before) as up:
        fetch(up.database_url, "CREATE TABLE committed AS SELECT 7 AS answer")
        with redis.Redis.from_url(up.valkey_url) as client:
            os.kill(client.info("server")["process_id"], signal.SIGKILL)
        os.kill(server_pid(started_before), signal.SIGKILL)

        with run_engines(started_before) as again:
            assert again == up
            assert fetch(again.database_url, "SELECT answer FROM committed") == 7
            assert answers_ping(again.valkey_url)

    assert all_stopped(started_before)


@pytest.mark.parametrize("content", ["", "{other}\n"], ids=["empty", "number of another program"])
def test_starts_despite_stale_pid_files_of_a_crash(started_before: Path, content: str) -> None:
    pid_file = started_before / "postgres" / "postmaster.pid"
    socket_lock = started_before / "sockets" / ".s.PGSQL.5432.lock"
    for file in (pid_file, socket_lock):
        file.write_text(content.format(other=os.getpid()))

    with run_engines(started_before) as up:
        assert fetch(up.database_url, "SELECT 1") == 1


def test_a_failed_start_shows_the_end_of_the_log_and_stops_all_engines(started_before: Path) -> None:
    version = started_before / "postgres" / "PG_VERSION"
    original = version.read_text()
    version.write_text("12\n")

    with (
        pytest.raises(EmbeddedError, match=r"(?s)PostgreSQL .* did not start.*incompatible"),
        run_engines(started_before),
    ):
        pass

    version.write_text(original)
    assert all_stopped(started_before)


def test_refuses_a_socket_folder_that_others_can_enter(new: Path) -> None:
    (new / "sockets").mkdir(parents=True)
    (new / "sockets").chmod(0o755)

    with pytest.raises(EmbeddedError, match="not a private folder"), run_engines(new):
        pass


def test_sockets_of_a_long_path_are_in_the_temporary_directory(
    started_before: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = new / 'a "folder" for $10' / ("x" * 100)
    shutil.copytree(started_before / "postgres", long / "postgres")  # if root runs this, the copy belongs to root

    with run_engines(long) as up:
        assert fetch(up.database_url, "SELECT 1") == 1
        assert answers_ping(up.valkey_url)
        sockets = Path(up.valkey_url.removeprefix("unix://")).parent
        assert sockets.stat().st_mode & 0o077 == 0
        with tempfile.TemporaryDirectory() as other:
            monkeypatch.setattr(tempfile, "tempdir", other)
            assert find_engines(long) == up

    assert not sockets.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="ordinary users run the engines under their own account")
def test_root_reaches_a_closed_folder_without_changing_its_permissions(new: Path) -> None:
    new.parent.chmod(0o700)

    with run_engines(new) as up:
        assert fetch(up.database_url, "SELECT 1") == 1
        assert answers_ping(up.valkey_url)
        assert Path(f"/proc/{server_pid(new)}").stat().st_uid != 0

    assert new.parent.stat().st_mode & 0o777 == 0o700
    assert new.parent.stat().st_uid == 0
