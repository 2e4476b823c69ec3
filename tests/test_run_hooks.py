"""The hooks of a test run: the guard of tests without engines, and the record of what failed, which CI runs again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.run_hooks import END_OF_RUN, FailureRecord

RERUN = Path(__file__).parents[1] / ".ci" / "rerun_failed.py"

FAILS_ONCE = """
from pathlib import Path

def test_flaky():
    if not Path("ran").exists():
        Path("ran").touch()
        raise AssertionError
"""


def test_a_test_without_the_marker_cannot_start_a_process() -> None:
    with pytest.raises(AssertionError, match="starts a process"):
        subprocess.Popen([sys.executable, "--version"])
    with pytest.raises(AssertionError, match="starts a process"):
        os.posix_spawn(sys.executable, [sys.executable, "--version"], {})


def report(node: str, when: str, *, failed: bool = True, message: str = "") -> pytest.TestReport:
    outcome = "failed" if failed else "passed"
    return pytest.TestReport(node, ("", 0, ""), {}, outcome, message, when)  # type: ignore[arg-type]


def test_records_tests_that_failed_and_modules_and_runs_that_failed_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "failed.txt"
    record = FailureRecord(path)

    record.pytest_runtest_logreport(report("a.py::test_one[x y]", "call"))
    record.pytest_runtest_logreport(report("a.py::test_two", "call", failed=False))
    record.pytest_runtest_logreport(report("b.py::test_three", "teardown", message="After b.py, …"))
    record.pytest_runtest_logreport(report("c.py::test_four", "teardown", message=f"After {END_OF_RUN}, …"))
    record.pytest_sessionfinish(pytest.ExitCode.TESTS_FAILED)

    assert path.read_text().splitlines() == ["a.py::test_one[x y]", "b.py", END_OF_RUN]


def test_records_nothing_of_a_run_that_was_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "failed.txt"
    path.write_text("a.py::test_of_an_earlier_run\n")
    record = FailureRecord(path)

    record.pytest_runtest_logreport(report("a.py::test_one", "call"))
    record.pytest_sessionfinish(pytest.ExitCode.INTERRUPTED)

    assert not path.exists()


def rerun(folder: Path, test: str, *failed: str) -> tuple[int, list[str] | None]:
    """Run `.ci/rerun_failed.py` in a folder with one test module; return its exit status and the flaky tests."""
    cache = folder / ".pytest_cache"
    cache.mkdir()
    (folder / "test_planted.py").write_text(test)
    (cache / "failed.txt").write_text("".join(f"{node}\n" for node in failed))
    ended = subprocess.run([sys.executable, str(RERUN)], cwd=folder, capture_output=True, text=True, check=False)
    flaky = cache / "flaky.txt"
    return ended.returncode, flaky.read_text().splitlines() if flaky.exists() else None


@pytest.mark.engines
def test_a_test_that_passes_when_it_runs_again_is_flaky(tmp_path: Path) -> None:
    (tmp_path / "ran").touch()

    assert rerun(tmp_path, FAILS_ONCE, "test_planted.py::test_flaky") == (0, ["test_planted.py::test_flaky"])


@pytest.mark.engines
def test_a_test_that_fails_twice_has_failed(tmp_path: Path) -> None:
    assert rerun(tmp_path, FAILS_ONCE, "test_planted.py::test_flaky") == (1, None)


@pytest.mark.engines
@pytest.mark.parametrize("failed", [[], [END_OF_RUN], [f"test_planted.py::test_{n}" for n in range(11)]])
def test_many_failures_and_those_of_no_single_module_are_not_run_again(tmp_path: Path, failed: list[str]) -> None:
    assert rerun(tmp_path, FAILS_ONCE, *failed) == (1, None)
    assert not (tmp_path / "ran").exists()
