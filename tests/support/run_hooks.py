"""Hooks of a test run: a guard for tests without engines, and a record of what failed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

END_OF_RUN = "the end of the test run"
"""Where a violation was found, if not after a module."""

PROCESS_EVENTS = frozenset(
    ["os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"]
)
"""The events of Python's audit hooks for the start of a process."""


class ProcessGuard:
    """Fails tests without the marker `engines` that start a process, such as an engine."""

    def __init__(self) -> None:
        self._guarded: str | None = None
        sys.addaudithook(self._audit)

    def _audit(self, event: str, _: tuple[object, ...]) -> None:
        if self._guarded and event in PROCESS_EVENTS:
            raise AssertionError(f"{self._guarded} starts a process ({event}). Mark it with pytest.mark.engines.")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        return (yield from self._guard(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        return (yield from self._guard(item))

    def _guard(self, item: pytest.Item) -> Iterator[None]:
        self._guarded = None if item.get_closest_marker("engines") else item.nodeid
        try:
            return (yield)
        finally:
            self._guarded = None


class FailureRecord:
    """Writes what failed to a file, one node id a line, so that it can be run again.

    What fails after a test may be due to any test of the module, and at the end of the run to any test at all: then the
    line has the module's path, or `END_OF_RUN`. Nothing is written if the run ended in another way than by failed tests.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failed: dict[str, None] = {}
        path.unlink(missing_ok=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.failed:
            return
        if report.when != "teardown":
            self._failed[report.nodeid] = None
        elif END_OF_RUN in report.longreprtext:
            self._failed[END_OF_RUN] = None
        else:
            self._failed[report.nodeid.partition("::")[0]] = None

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.TESTS_FAILED:
            self._path.parent.mkdir(exist_ok=True)
            self._path.write_text("".join(f"{node}\n" for node in self._failed))
