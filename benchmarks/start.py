"""How long `uriba up` takes until it is ready, beside the import of the libraries that it uses, and its memory.

    python -m benchmarks.start

The data are those of `make demo`. Each round times both; the ratio is of the medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import hub

PROCESSES = 2
DATA = ("load", "complete-journey", "--stores", "20", "--products", "2500")
LIBRARIES = """
import sys
before = set(sys.modules)
import uriba.api_server, uriba.cli, uriba.worker.runner
packages = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names) - {"uriba"}
print(" ".join(name for name in sys.modules if name.partition(".")[0] in packages and name.isascii()))
"""
"""Prints the modules of libraries that the hub's processes import."""

IMPORT = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)"

Rounds = Annotated[int, typer.Option("--rounds", min=1, max=100, help="How often both are timed.")]


def main(rounds: Rounds = 5) -> None:
    """Time the start of a hub that has data."""
    console = Console()
    libraries = _output(LIBRARIES).split()
    with tempfile.TemporaryDirectory(prefix="uriba-bench-") as folder:
        Path(folder).chmod(0o755)
        data_dir = Path(folder, "hub")
        hub.run_command("migrate", "--data-dir", str(data_dir))
        hub.run_command(*DATA, "--data-dir", str(data_dir))
        imports: list[float] = []
        starts: list[float] = []
        memory: dict[str, int] = {}
        for number in range(rounds + 1):
            import_s = _import_s(libraries)
            start_s, memory = _start(data_dir)
            if number:  # The first round only fills the caches of files.
                imports.append(import_s)
                starts.append(start_s)
    import_s, start_s = statistics.median(imports), statistics.median(starts)
    console.print(f"Load average {os.getloadavg()[0]:.1f}, {rounds} rounds, medians")
    table = Table("what", "measured")
    table.add_row(f"import of the {len(libraries)} library modules", f"{import_s:.2f} s")
    table.add_row("uriba up with data, until it is ready", f"{start_s:.2f} s")
    table.add_row("ratio", f"{start_s / import_s:.2f}")
    for title, size in memory.items():
        table.add_row(f"memory of its own: {title}", f"{size / 1e6:.0f} MB")
    console.print(table)


def _output(program: str) -> str:
    return subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True).stdout


def _import_s(modules: list[str]) -> float:
    """Return the seconds of a process that imports these modules."""
    started = time.perf_counter()
    subprocess.run((sys.executable, "-c", IMPORT, *modules), check=True)
    return time.perf_counter() - started


def _start(data_dir: Path) -> tuple[float, dict[str, int]]:
    """Return the seconds until a hub was ready, and the bytes that each of its processes does not share."""
    started = time.perf_counter()
    with hub.run_hub(data_dir, processes=PROCESSES) as running:
        seconds = time.perf_counter() - started
        supervisor = running.api.parent()
        assert supervisor is not None
        while len(found := [process for process in supervisor.children() if _title(process)]) <= PROCESSES:
            time.sleep(0.01)
        return seconds, {_title(process): process.memory_full_info().uss for process in found}


def _title(process: psutil.Process) -> str:
    """Return the title of a process of the hub; nothing for a process that has none yet."""
    command = process.cmdline()
    return command[0].removeprefix("uriba: ") if command and command[0].startswith("uriba: ") else ""


if __name__ == "__main__":
    typer.run(main)
