"""The house rules that a program can check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import uriba

ROOT = Path(__file__).parent.parent
SOURCES = Path(uriba.__file__).parent
FILES = sorted(SOURCES.rglob("*.py"))
DOMAINS = ("access", "cart", "catalog", "checkout", "customers", "fulfillment", "inventory", "orders", "pricing")

ENGINE_IMPORTS = (
    "uriba.config.",
    "uriba.core.",
    "uriba.db.",
    "uriba.graphql.engine.",
    "uriba.logs.",
    "uriba.metrics.",
    "uriba.outbox.",
)

NAMES_REFUSED = {"utils", "util", "helpers", "helper", "manager", "service", "services", "data", "process", "misc"}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

EDGES = (
    "graphql/",
    "demo/",
    "sources/",
    "cli/",
    "worker/",
    "access/guess_limits.py",
    "checkout/completion.py",
    "checkout/settlement.py",
    "db/idempotency.py",
    "outbox/relay.py",
    "webhooks/dispatcher.py",
    "webhooks/sender.py",
    "connectors/leases.py",
    "connectors/runs.py",
)
"""Modules that begin and end transactions. Guess limits commit the count of a refused operation, completion acts around
a payment provider's call, dispatch and connectors around what they send."""

CLOCKS = {"core/clock.py", "till/clock.py"}
WALL_CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}


def at(path: Path) -> str:
    return path.relative_to(SOURCES).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(parsed(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_calls_go_down_and_domains_know_no_transport(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)

    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_the_graphql_engine_imports_only_what_is_below_the_domains() -> None:
    imported = {
        f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
        for path in FILES
        if at(path).startswith("graphql/engine/")
        for node in nodes(path)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    own = {f"{name}." for name in imported if name.startswith("uriba.")}

    assert len(own) > 10
    assert [name for name in sorted(own) if not name.startswith(ENGINE_IMPORTS)] == []


def test_files_are_named_after_what_they_are_about() -> None:
    folders = {path.parent.name for path in FILES}

    assert [at(path) for path in FILES if path.stem in NAMES_REFUSED] == []
    assert folders & NAMES_REFUSED == set()


def test_no_file_grows_beyond_what_can_be_read() -> None:
    long = {at(path): lines for path in FILES if (lines := len(path.read_text().splitlines())) > FILE_LINES_MAX}

    assert long == {}


def test_no_function_grows_beyond_a_page() -> None:
    long = {
        f"{at(path)}:{function.name}": lines
        for path in FILES
        for function in functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    }

    assert long == {}


def test_every_file_says_what_it_is_about() -> None:
    assert len(FILES) > 100
    assert [at(path) for path in FILES if not ast.get_docstring(parsed(path))] == []


def test_the_time_comes_from_one_clock() -> None:
    asked = [
        f"{at(path)}:{node.lineno}"
        for path in FILES
        if at(path) not in CLOCKS
        for node in nodes(path)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in WALL_CLOCKS
    ]

    assert asked == []


def test_only_edges_begin_and_end_transactions() -> None:
    begun = {
        at(path)
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transaction"
    }

    assert [path for path in sorted(begun) if not path.startswith(EDGES)] == []


def test_a_domains_functions_take_their_session_first() -> None:
    later = [
        f"{at(path)}:{function.name}"
        for path in FILES
        if at(path).startswith(DOMAINS)
        for function in functions(path)
        for names in [[a.arg for a in (*function.args.posonlyargs, *function.args.args) if a.arg != "self"]]
        if "session" in (*names, *(a.arg for a in function.args.kwonlyargs)) and names[:1] != ["session"]
    ]

    assert later == []


def test_nobody_sleeps_in_a_domain() -> None:
    slept = [
        f"{at(path)}:{node.lineno}"
        for path in FILES
        if at(path).startswith(DOMAINS)
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr == "sleep"
    ]

    assert slept == []
