"""The command line as a whole: its commands, and what it imports."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from uriba.cli import cli

SLOW = ("alembic", "litestar", "strawberry", "uvicorn", "uriba.app", "uriba.demo.run", "uriba.graphql", "uriba.worker")


def test_has_these_commands() -> None:
    commands = get_command(cli).commands  # type: ignore[attr-defined]

    assert list(commands) == [
        *("up", "api", "worker", "migrate", "check", "schema", "export", "demo"),
        *("key", "load", "till"),
    ]
    assert list(commands["key"].commands) == ["terminal", "app", "staff", "list", "revoke"]
    assert list(commands["load"].commands) == ["complete-journey"]


@pytest.mark.engines
def test_imports_slow_modules_only_in_the_commands_that_use_them() -> None:
    program = f"import sys, uriba.cli; print(sorted(set({SLOW!r}) & set(sys.modules)))"

    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert imported.stdout == "[]\n"


def test_every_command_has_help() -> None:
    for name in get_command(cli).commands:  # type: ignore[attr-defined]
        result = CliRunner().invoke(cli, [name, "--help"])
        assert result.exit_code == 0, result.output
        assert f"{name} [OPTIONS]" in result.output
