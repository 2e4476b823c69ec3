"""Run the failed tests of `make test` once more, alone: in one process, and nothing else.

Exits with 0 if all of it passes now, and writes its names to `flaky.txt`. A test that fails twice has failed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(".pytest_cache")
FAILED_MAX = 10
"""More failures than this are not by chance, and are not run again."""

END_OF_RUN = "the end of the test run"


def main() -> int:
    failed = FOLDER / "failed.txt"
    nodes = failed.read_text().splitlines() if failed.exists() else []
    if not nodes or END_OF_RUN in nodes or len(nodes) > FAILED_MAX:
        print(f"No failed test is run again: {len(nodes)} failures, or a failure outside of a test", flush=True)
        return 1
    print(f"Running the failed tests once more: {len(nodes)}", flush=True)
    again = subprocess.run([sys.executable, "-m", "pytest", *nodes], check=False)
    if again.returncode == 0:
        (FOLDER / "flaky.txt").write_text("".join(f"{node}\n" for node in nodes))
    return again.returncode


sys.exit(main())
