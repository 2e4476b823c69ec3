"""The bundled engines: who starts them, who stops them, and what a crash leaves behind."""

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

from uriba.embedded import EmbeddedError, engines, locks, running

CROWD = 6
HOLDER = """
import pathlib, sys, uriba.embedded
with uriba.embedded.engines(pathlib.Path(sys.argv[1]), on_step=lambda step: print(step, flush=True)):
    print("up", flush=True)
    sys.stdin.read()
"""


@contextmanager
def fresh() -> Iterator[Path]:
    """A data dir that does not exist yet, in a folder open to others; at the end nothing runs in it."""
    with tempfile.TemporaryDirectory(prefix="uriba-test-") as parent:
        Path(parent).chmod(0o755)
        data_dir = Path(parent, "data")
        yield data_dir
        if running(data_dir):
            with engines(data_dir):
                pass


@pytest.fixture
def new() -> Iterator[Path]:
    with fresh() as data_dir:
        yield data_dir


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    """A data dir that has been started before, which saves most of a start."""
    with fresh() as data_dir:
        with engines(data_dir):
            pass
        yield data_dir


@contextmanager
def held(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program that uses the engines."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as holder:
        yield holder
        holder.kill()


def wait_until_up(holder: subprocess.Popen[str]) -> None:
    assert holder.stdout is not None
    assert "up\n" in holder.stdout


def wait_until(met: Callable[[], bool]) -> None:
    assert locks.wait_for(met, within_s=10)


def fetch(database_url: str, statement: str) -> Any:
    async def fetch_value() -> Any:
        connection = await asyncpg.connect(database_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(fetch_value())


def pings(valkey_url: str) -> bool:
    with redis.Redis.from_url(valkey_url) as client:
        return bool(client.ping())


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def all_ended(data_dir: Path) -> bool:
    return all(locks.is_free(data_dir / name) for name in ("postgres.lock", "valkey.lock"))


def test_first_start_makes_the_database_and_the_end_stops_both(new: Path) -> None:
    steps: list[str] = []

    with engines(new, on_step=steps.append) as up:
        one = fetch(up.database_url, "SELECT 1")
        answered = pings(up.valkey_url)
        seen = running(new)

    assert (one, answered, seen) == (1, True, up)
    assert [step.split(" in ")[0].split(" ", 2)[::2] for step in steps] == [
        ["Valkey", "ready"],
        ["PostgreSQL", "ready"],
        ["Valkey", "stopped"],
        ["PostgreSQL", "stopped"],
    ]
    assert running(new) is None
    assert all_ended(new)


def test_nothing_runs_and_nothing_is_made_by_asking(new: Path) -> None:
    assert running(new) is None
    assert not new.exists()


def test_settings_are_those_of_a_server_that_keeps_what_it_commits(used: Path) -> None:
    with engines(used) as up:
        shown = {
            name: fetch(up.database_url, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "data_checksums", "listen_addresses", "lock_timeout")
        }
        tracked = fetch(up.database_url, "SHOW shared_preload_libraries")
        with redis.Redis.from_url(up.valkey_url) as client:
            policy = client.config_get("maxmemory-policy", "save", "appendonly", "port")

    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "lock_timeout": "0",
    }
    assert tracked == "pg_stat_statements"
    assert policy == {"maxmemory-policy": "noeviction", "save": "", "appendonly": "no", "port": "0"}


def test_the_address_of_valkey_is_one_that_arq_takes(used: Path) -> None:
    with engines(used) as up:
        path = RedisSettings.from_dsn(up.valkey_url).unix_socket_path

        assert path is not None
        assert Path(path).is_socket()


def test_ctrl_c_in_the_terminal_does_not_reach_the_engines(used: Path) -> None:
    with engines(used) as up:
        with redis.Redis.from_url(up.valkey_url) as client:
            valkey_pid = client.info("server")["process_id"]

        sessions = {os.getsid(server_pid(used)), os.getsid(valkey_pid)}

        assert len(sessions) == 2
        assert os.getsid(0) not in sessions


def test_rows_outlive_a_restart(used: Path) -> None:
    with engines(used) as up:
        fetch(up.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")

    with engines(used) as up:
        assert fetch(up.database_url, "SELECT answer FROM kept") == 42


def test_the_last_to_leave_stops_them(used: Path) -> None:
    with ExitStack() as first, ExitStack() as second:
        up = first.enter_context(engines(used))
        assert second.enter_context(engines(used)) == up

        first.close()
        assert fetch(up.database_url, "SELECT 1") == 1
        assert pings(up.valkey_url)

        second.close()
        assert running(used) is None
        assert all_ended(used)


def test_programs_that_come_at_once_start_them_once(used: Path) -> None:
    steps: list[str] = []
    everybody_is_in = Barrier(CROWD, timeout=30)

    def come_and_go(_turn: int) -> Any:
        with engines(used, on_step=steps.append) as up:
            everybody_is_in.wait()
            return fetch(up.database_url, "SELECT 1")

    with ThreadPoolExecutor(CROWD) as crowd:
        answers = list(crowd.map(come_and_go, range(CROWD)))

    assert answers == [1] * CROWD
    assert len([step for step in steps if " ready in " in step]) == 2
    assert len([step for step in steps if " stopped in " in step]) == 2
    assert all_ended(used)


def test_engines_of_a_killed_program_are_adopted_and_then_stopped(used: Path) -> None:
    with held(used) as holder:
        wait_until_up(holder)
        pid = server_pid(used)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert running(used)

    with engines(used) as up:
        assert server_pid(used) == pid
        assert fetch(up.database_url, "SELECT 1") == 1

    assert all_ended(used)


def test_a_program_killed_in_its_first_start_does_no_harm(new: Path) -> None:
    with held(new) as holder:
        wait_until(lambda: (new / "postgres.draft" / "base").exists())
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert not (new / "postgres").exists()

    with engines(new) as up:
        assert fetch(up.database_url, "SELECT 1") == 1

    assert not (new / "postgres.draft").exists()


def test_killed_engines_start_again(used: Path) -> None:
    with engines(used) as up:
        fetch(up.database_url, "CREATE TABLE committed AS SELECT 7 AS answer")
        with redis.Redis.from_url(up.valkey_url) as client:
            os.kill(client.info("server")["process_id"], signal.SIGKILL)
        os.kill(server_pid(used), signal.SIGKILL)

        with engines(used) as again:
            assert again == up
            assert fetch(again.database_url, "SELECT answer FROM committed") == 7
            assert pings(again.valkey_url)

    assert all_ended(used)


@pytest.mark.parametrize("left", ["", "{stranger}\n"], ids=["empty", "number of a stranger"])
def test_misleading_pid_files_after_a_crash_are_no_obstacle(used: Path, left: str) -> None:
    pid_file = used / "postgres" / "postmaster.pid"
    socket_lock = used / "sockets" / ".s.PGSQL.5432.lock"
    for file in (pid_file, socket_lock):
        file.write_text(left.format(stranger=os.getpid()))

    with engines(used) as up:
        assert fetch(up.database_url, "SELECT 1") == 1


def test_refusal_shows_the_end_of_the_log_and_leaves_nothing_running(used: Path) -> None:
    version = used / "postgres" / "PG_VERSION"
    right = version.read_text()
    version.write_text("12\n")

    with pytest.raises(EmbeddedError, match=r"(?s)PostgreSQL .* did not start.*incompatible"), engines(used):
        pass

    version.write_text(right)
    assert all_ended(used)


def test_a_socket_folder_open_to_others_is_refused(new: Path) -> None:
    (new / "sockets").mkdir(parents=True)
    (new / "sockets").chmod(0o755)

    with pytest.raises(EmbeddedError, match="not a private folder"), engines(new):
        pass


def test_a_copy_under_a_long_path_has_its_sockets_in_the_temp_dir(
    used: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = new / 'a "folder" for $10' / ("x" * 100)
    shutil.copytree(used / "postgres", long / "postgres")  # run by root, it now belongs to root

    with engines(long) as up:
        assert fetch(up.database_url, "SELECT 1") == 1
        assert pings(up.valkey_url)
        sockets = Path(up.valkey_url.removeprefix("unix://")).parent
        assert sockets.stat().st_mode & 0o077 == 0
        with tempfile.TemporaryDirectory() as other:
            monkeypatch.setattr(tempfile, "tempdir", other)
            assert running(long) == up

    assert not sockets.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs the engines as itself")
def test_root_gets_past_a_closed_folder_without_opening_it(new: Path) -> None:
    new.parent.chmod(0o700)

    with engines(new) as up:
        assert fetch(up.database_url, "SELECT 1") == 1
        assert pings(up.valkey_url)
        assert Path(f"/proc/{server_pid(new)}").stat().st_uid != 0

    assert new.parent.stat().st_mode & 0o777 == 0o700
    assert new.parent.stat().st_uid == 0
