"""The rules of the code's structure. Each rule is a function of sources, and a test shows that a planted fault breaks it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import uriba

ROOT = Path(__file__).parent.parent
FOLDER = Path(uriba.__file__).parent
GLOSSARY = ROOT / "docs" / "glossary.md"

Sources = Mapping[str, str]
"""Texts of modules, by their path below src/uriba."""

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "service", "services", "data", "process", "misc"}

DOMAINS = ("access", "cart", "catalog", "checkout", "customers", "fulfillment", "inventory", "orders", "pricing")

ENGINE = "graphql/engine/"
ENGINE_IMPORTS = ("config", "core", "db", "graphql.engine", "logs", "metrics", "outbox")
"""Packages that the GraphQL engine may import, below `uriba`."""

TRANSACTION_EDGES = (
    "access/guess_limits.py",  # a wrong guess is committed although the call is refused
    "cli/",
    "connectors/leases.py",  # around what is sent to a channel
    "connectors/runs.py",
    "checkout/completion.py",  # around the call of a payment provider
    "checkout/settlement.py",
    "db/idempotency.py",  # `once`
    "demo/",
    "exports/snapshot.py",  # an export is one snapshot
    "graphql/",
    "http/",
    "outbox/relay.py",
    "sources/",
    "webhooks/dispatcher.py",  # around what is sent to an endpoint
    "webhooks/sender.py",
    "worker/",
)
"""Where transactions are opened."""

CLOCKS = ("core/clock.py", "till/clock.py")
WALL_CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}

SQL_OF_TRANSACTIONS = "db/session.py"
_TRANSACTION_SQL = re.compile(
    r"(?:^|;)\s*(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT \w+|START TRANSACTION|SET TRANSACTION)\b(?!\w)", re.MULTILINE
)
_STATEMENT_METHODS = {"fetch", "fetchrow", "fetchval", "run", "defer", "flush_and_fetch", "execute"}

RETIRED_WORDS = frozenset(
    [
        "allot",
        "allotment",
        "aside",
        "bazaar",
        "book",
        "booked",
        "books",
        "brought",
        "carve",
        "carving",
        "courtesy",
        "ears",
        "farewell",
        "hear",
        "heard",
        "knowledge",
        "meeting",
        "parcel",
        "parcels",
        "purse",
        "purses",
        "said",
        "say",
        "stall",
        "tell",
        "telling",
        "told",
        "tour",
        "wish",
        "wishes",
        "worth",
    ]
)
RETIRED_WORDS_ALLOWED = {
    "connectors/models.py": {"told"},
    "exports/parquet_format.py": {"tell"},
    "graphql/checkout/types.py": {"parcels"},
    "graphql/connectors/types.py": {"book", "told"},
    "fulfillment/sourcing/rules.py": {"parcels"},
    "graphql/pos/types.py": {"told"},
}
"""Words in names of columns, stored values, the API and Python's file protocol, which stay, by path."""


@cache
def sources() -> Sources:
    return {path.relative_to(FOLDER).as_posix(): path.read_text() for path in sorted(FOLDER.rglob("*.py"))}


@cache
def sources_of_tests() -> Sources:
    """Texts of the tests and their support modules, by their path below tests."""
    folder = ROOT / "tests"
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.py"))}


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(text: str) -> Iterator[Function]:
    for node in ast.walk(parsed(text)):
        if isinstance(node, Function):
            yield node


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function):
            waiting.extend(ast.iter_child_nodes(node))


def called(node: ast.AST) -> str | None:
    """The last part of a called name."""
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else None


def words(name: str) -> set[str]:
    """The words of a name in snake_case or CamelCase."""
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)}


# The rules. Each returns where it is broken.


def vaguely_named_modules(found: Sources) -> list[str]:
    return [path for path in found if VAGUE_NAMES & {*Path(path).parts[:-1], Path(path).stem}]


def long_files(found: Sources) -> list[str]:
    return [path for path, text in found.items() if len(text.splitlines()) > FILE_LINES_MAX]


def long_functions(found: Sources) -> list[str]:
    return [
        f"{path}:{function.name}"
        for path, text in found.items()
        for function in functions(text)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES_MAX
    ]


def files_without_docstring(found: Sources) -> list[str]:
    return [path for path, text in found.items() if not ast.get_docstring(parsed(text))]


def modules_named_like_tests(found: Sources) -> list[str]:
    return [path for path in found if Path(path).name.startswith("test_") or Path(path).stem.endswith("_test")]


def retired_words(found: Sources) -> list[str]:
    """Names of modules, classes, functions, parameters, constants and fields with words that the glossary retires."""
    broken = []
    for path, text in found.items():
        retired = RETIRED_WORDS - RETIRED_WORDS_ALLOWED.get(path, set())
        names = {Path(path).stem, *Path(path).parts[:-1]}
        for node in ast.walk(parsed(text)):
            if isinstance(node, Function | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
        for body in (parsed(text).body, *(n.body for n in ast.walk(parsed(text)) if isinstance(n, ast.ClassDef))):
            for node in body:
                targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
        broken += [f"{path}:{name}" for name in sorted(names) if words(name) & retired]
    return broken


def riddles(found: Sources) -> list[str]:
    """Docstrings that begin with "What", "Whoever" and the like instead of saying what a thing does."""
    broken = []
    for path, text in found.items():
        tree = parsed(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | Function):
                doc = ast.get_docstring(node) or ""
                if re.match(r"(What|Whoever|Whatever|Nobody|Whose|Who)\b", doc):
                    broken.append(f"{path}:{getattr(node, 'name', 'module')}")
    return broken


def clocks_elsewhere(found: Sources) -> list[str]:
    return [
        f"{path}:{node.lineno}"
        for path, text in found.items()
        if path not in CLOCKS
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in WALL_CLOCKS
    ]


def transactions_elsewhere(found: Sources) -> list[str]:
    """Places other than edges that open a transaction, by `transaction(...)` or `once(...)`."""
    return [
        f"{path}:{node.lineno}"
        for path, text in found.items()
        if not path.startswith(TRANSACTION_EDGES)
        for node in ast.walk(parsed(text))
        if called(node) in ("transaction", "once") and isinstance(node, ast.Call)
    ]


def engine_imports(found: Sources) -> list[str]:
    """Imports of the GraphQL engine that are not below the domains."""
    allowed = tuple(f"uriba.{name}." for name in ENGINE_IMPORTS)
    return [
        f"{path}:{name}"
        for path, text in found.items()
        if path.startswith(ENGINE)
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        for name in [f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name]
        if name.startswith("uriba.") and not f"{name}.".startswith(allowed)
    ]


def commits_unsaid(found: Sources) -> list[str]:
    """Functions that commit by calling a function named `..._and_commit`, and do not say so in their own name.

    Edges are left out: they open the transactions that they end.
    """
    return [
        f"{path}:{function.name}"
        for path, text in found.items()
        if not path.startswith(TRANSACTION_EDGES)
        for function in functions(text)
        if not function.name.endswith("_and_commit")
        and any((called(node) or "").endswith("_and_commit") for node in own_nodes(function))
    ]


def transaction_sql(found: Sources) -> list[str]:
    """Texts that begin or end a transaction, outside of the module that does. (COMMIT alone is also a stock reason.)"""
    broken = []
    for path, text in found.items():
        if path == SQL_OF_TRANSACTIONS:
            continue
        run = {
            id(argument)
            for node in ast.walk(parsed(text))
            if called(node) in {*_STATEMENT_METHODS, "statement"} and isinstance(node, ast.Call)
            for argument in node.args
        }
        for node in ast.walk(parsed(text)):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            if _TRANSACTION_SQL.search(node.value) and (node.value != "COMMIT" or id(node) in run):
                broken.append(f"{path}:{node.lineno}")
    return broken


def positional_sql(found: Sources) -> list[str]:
    """SQL with `$1`, whose parameters have numbers instead of names."""
    return [
        f"{path}:{node.lineno}"
        for path, text in found.items()
        if not path.startswith("db/")
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\$[1-9]", node.value)
    ]


def sql_in_place(found: Sources) -> list[str]:
    """Statements that are not constants of a module: `statement(...)` within a function, SQL given as text."""
    broken = []
    for path, text in found.items():
        if path.startswith(("db/", "migrate/")):
            continue
        for function in functions(text):
            for node in own_nodes(function):
                if called(node) == "statement":
                    broken.append(f"{path}:{function.name}")
                elif called(node) in _STATEMENT_METHODS and isinstance(node, ast.Call) and node.args:
                    first = node.args[0]
                    if isinstance(first, ast.JoinedStr) or (
                        isinstance(first, ast.Constant) and isinstance(first.value, str) and " " in first.value
                    ):
                        broken.append(f"{path}:{function.name}")
    return broken


def session_not_first(found: Sources) -> list[str]:
    return [
        f"{path}:{function.name}"
        for path, text in found.items()
        if path.startswith(DOMAINS)
        for function in functions(text)
        for names in [[a.arg for a in (*function.args.posonlyargs, *function.args.args) if a.arg != "self"]]
        if "session" in (*names, *(a.arg for a in function.args.kwonlyargs)) and names[:1] != ["session"]
    ]


def sleeps_in_domains(found: Sources) -> list[str]:
    return [
        f"{path}:{node.lineno}"
        for path, text in found.items()
        if path.startswith(DOMAINS)
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Attribute) and node.attr == "sleep"
    ]


def fixed_sleeps(found: Sources) -> list[str]:
    """Sleeps for a number of seconds in tests. Tests wait for effects; a pause that has a reason has a name."""
    return [
        f"{path}:{node.lineno}"
        for path, text in found.items()
        for node in ast.walk(parsed(text))
        if called(node) == "sleep" and isinstance(node, ast.Call) and is_fixed(node.args[:1])
    ]


def is_fixed(arguments: list[ast.expr]) -> bool:
    """Whether the first argument is a number other than 0, or is computed from numbers alone."""
    parts = [part for argument in arguments for part in ast.walk(argument)]
    numbers = [part.value for part in parts if isinstance(part, ast.Constant)]
    return any(numbers) and not any(isinstance(part, ast.Name) for part in parts)


SERVER_WIDE = ("pg_locks", "pg_stat_activity", "pg_stat_statements", "pg_prepared_xacts")


def reads_of_other_databases(found: Sources) -> list[str]:
    """Reads in tests of what a whole server has. All workers share one PostgreSQL: name the database or the process."""
    return [
        f"{path}:{node.lineno}"
        for path, text in found.items()
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and any(f"FROM {view}" in node.value for view in SERVER_WIDE)
        and "current_database()" not in node.value
        and "pid" not in node.value
    ]


Rule = Callable[[Sources], list[str]]

DOC = '"""A module."""\n'
PLANTED: dict[Rule, list[tuple[str, str]]] = {
    vaguely_named_modules: [("cart/helpers.py", DOC), ("utils/cart.py", DOC)],
    long_files: [("cart/long.py", DOC + "X = 1\n" * FILE_LINES_MAX)],
    long_functions: [("cart/long.py", f"{DOC}def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX)],
    files_without_docstring: [("cart/silent.py", "X = 1\n")],
    modules_named_like_tests: [("http/test_payments.py", DOC), ("checkout/gateway_test.py", DOC)],
    retired_words: [
        ("cart/books.py", DOC),
        ("cart/a.py", DOC + "class ToldRedemption: ...\n"),
        ("cart/a.py", DOC + "def put_aside(): ...\n"),
        ("cart/a.py", DOC + "def f(what_they_said): ...\n"),
        ("cart/a.py", DOC + "PARCELS_MAX = 3\n"),
        ("cart/a.py", DOC + "class A:\n    heard: int = 3\n"),
    ],
    riddles: [
        ("cart/a.py", '"""What carts are."""\n'),
        ("cart/a.py", DOC + 'def f():\n    """Whoever waits, waits."""\n'),
    ],
    clocks_elsewhere: [("cart/a.py", DOC + "from datetime import datetime\nx = datetime.now()\n")],
    transactions_elsewhere: [
        ("cart/a.py", DOC + "async def f(database):\n    async with database.transaction() as session: ...\n"),
        ("cart/a.py", DOC + "async def f(database):\n    await idempotency.once(database, call, work)\n"),
    ],
    engine_imports: [
        ("graphql/engine/a.py", DOC + "from uriba.cart import carts\n"),
        ("graphql/engine/a.py", DOC + "import uriba.graphql.context\n"),
    ],
    commits_unsaid: [
        ("cart/a.py", DOC + "async def f(session):\n    await ledger.post_and_commit(session)\n"),
        ("cart/a.py", DOC + "async def f(session):\n    await session.execute_and_commit(X)\n"),
        ("cart/a.py", DOC + "class A:\n    async def f(self, s):\n        return [await self._g_and_commit(s)]\n"),
    ],
    transaction_sql: [
        ("cart/a.py", DOC + 'X = "BEGIN ISOLATION LEVEL REPEATABLE READ"\n'),
        ("cart/a.py", DOC + 'async def f(s):\n    await s.run("SELECT 1; COMMIT")\n'),
        ("cart/a.py", DOC + 'X = """\n    ROLLBACK\n"""\n'),
        ("cart/a.py", DOC + 'X = statement("COMMIT")\n'),
    ],
    positional_sql: [("cart/a.py", DOC + 'X = statement("SELECT $1")\n')],
    sql_in_place: [
        ("cart/a.py", DOC + 'async def f(session):\n    await session.fetch("SELECT * FROM cart")\n'),
        ("cart/a.py", DOC + 'async def f(session):\n    await session.run(f"DELETE FROM {table}")\n'),
        ("cart/a.py", DOC + 'async def f(session):\n    x = statement("SELECT 1")\n'),
    ],
    session_not_first: [("cart/a.py", DOC + "async def f(cart, session): ...\n")],
    sleeps_in_domains: [("cart/a.py", DOC + "async def f():\n    await asyncio.sleep(1)\n")],
    fixed_sleeps: [
        ("cart/test_a.py", DOC + "async def test_a():\n    await asyncio.sleep(0.3)\n"),
        ("cart/test_a.py", DOC + "def test_a():\n    time.sleep(2 * 0.5)\n"),
        ("support/a.py", DOC + "async def f():\n    await sleep(1)\n"),
    ],
    reads_of_other_databases: [("db/test_a.py", f"{DOC}X = 'SELECT count(*) FROM {SERVER_WIDE[0]}'\n")],
}
RULES_OF_TESTS = {fixed_sleeps, reads_of_other_databases}
"""Rules that the tests keep; the others are kept by src/uriba."""


def named(rule: object) -> str:
    return getattr(rule, "__name__", str(rule))


@pytest.mark.parametrize("rule", PLANTED, ids=named)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    found = sources_of_tests() if rule in RULES_OF_TESTS else sources()

    assert len(found) > 100
    assert rule(found) == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [(rule, path, text) for rule, faults in PLANTED.items() for path, text in faults],
    ids=lambda value: named(value) if callable(value) else None,
)
def test_a_planted_fault_breaks_the_rule(rule: Rule, path: str, text: str) -> None:
    assert len(rule({path: text})) == 1


def test_sound_code_breaks_no_rule() -> None:
    sound = {
        "cart/lines.py": '"""Lines of a cart."""\n\nX = statement("SELECT :cart_id")\n\n\n'
        "async def add_and_commit(session, cart):\n"
        '    """Add lines and commit."""\n'
        "    await ledger.post_and_commit(session)\n",
        "support/waiting.py": '"""Waits."""\n\n\n'
        "async def f(delay_s):\n"
        "    await asyncio.sleep(0)\n"
        "    await asyncio.sleep(delay_s / 2)\n"
        "    await asyncio.sleep(POLL_INTERVAL_S)\n",
    }

    assert {named(rule): rule(sound) for rule in PLANTED} == {named(rule): [] for rule in PLANTED}


def test_the_glossary_lists_the_retired_words() -> None:
    _, _, retired = GLOSSARY.read_text().partition("## Words we no longer use")
    listed = set(re.findall(r"\w+", " ".join(row.split("|")[1] for row in retired.splitlines() if row.startswith("|"))))

    assert sorted(word for word in RETIRED_WORDS if not listed & {word, word.rstrip("s"), word.rstrip("ed")}) == []


def test_calls_go_down_and_domains_know_no_transport(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)

    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out
