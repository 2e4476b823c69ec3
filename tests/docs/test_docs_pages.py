"""The pages of the repository: the names, paths and settings in them exist. `make docs` checks their links."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from uriba.config import Settings
from uriba.connectors.settings import ConnectorSettings
from uriba.core.errors import Code

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.md"), *ROOT.glob("examples/*.md")])
README_LINES_MAX = 150

HISTORY = "CHANGELOG.md"
"""A page that may name what was."""

NAMES_OF_OTHERS = {"handleNextAction", "pg_dump", "webSocketImpl"}
"""Names of other programs."""

NAMES_OF_TESTS = {"test_refuses_all_lines_when_one_is_short", "three_dispatchers"}
FILE_ENDINGS = (".csv", ".json", ".md", ".parquet", ".py", ".sql", ".toml", ".txt")

_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:src|tests|docs|schema|migrations|examples|benchmarks|docker)/[\w./-]*\w")
_NAME = re.compile(r"_?[A-Za-z]\w*(?:\._?[A-Za-z]\w*)*")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def paths_in(text: str) -> Iterator[str]:
    """Yield the paths that a page names in code; one of a pattern or of another version is no path of the repository."""
    for code in _CODE.findall(_FENCE.sub("", text)):
        if _PATH.fullmatch(code.rstrip("/")):
            yield code.rstrip("/")


def names_in(text: str) -> Iterator[str]:
    """Yield the names of the code that a page names: those in snake_case, CamelCase or capitals."""
    for code in _CODE.findall(_FENCE.sub("", text)):
        if _NAME.fullmatch(code) and ("_" in code.strip("_") or re.search(r"[a-z][A-Z]|\.", code)):
            yield code


@cache
def known_names() -> frozenset[str]:
    """Return the names that the code defines or uses, the words of the exported schemas, and the settings."""
    names: set[str] = set()
    for path in ROOT.glob("src/**/*.py"):
        names.add(path.stem)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.update(re.findall(r"\w+", node.value))
    for path in (ROOT / "schema").iterdir():
        names.update(re.findall(r"\w+", path.read_text()))
    names.update(f"URIBA_{name.upper()}" for name in Settings.model_fields)
    names.update(f"URIBA_CONNECTOR_{name.upper()}" for name in ConnectorSettings.model_fields)
    return frozenset(names | NAMES_OF_OTHERS | NAMES_OF_TESTS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_in_a_page_exist(page: Path) -> None:
    text = page.read_text()

    assert [path for path in paths_in(text) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_names_in_a_page_exist(page: Path) -> None:
    names = [name for name in names_in(page.read_text()) if not name.endswith(FILE_ENDINGS) and page.name != HISTORY]

    assert [name for name in names if not known_names().issuperset(name.split("."))] == []


def test_a_name_that_does_not_exist_is_found() -> None:
    text = "The function `claim_all_carts` of `tests/nothing.py` calls `CartView`.\n```\n`in_a_fence`\n```\n"

    assert list(paths_in(text)) == ["tests/nothing.py"]
    assert list(names_in(text)) == ["claim_all_carts", "CartView"]
    assert "claim_all_carts" not in known_names()
    assert "CartView" in known_names()


def setting_rows(settings: type[BaseSettings], prefix: str) -> list[str]:
    """Return the rows of the tables of settings."""
    return [
        f"| `{prefix}{name.upper()}` | {_default(field.get_default(call_default_factory=True))} | {field.description} |"
        for name, field in settings.model_fields.items()
    ]


def _default(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"`{[int(one) if one == int(one) else one for one in value]}`"
    return f"`{value}`" if value != "" else "empty"


def test_the_page_on_operations_has_every_setting_with_its_default() -> None:
    lines = (ROOT / "docs" / "operations.md").read_text().splitlines()

    expected = [*setting_rows(Settings, "URIBA_"), *setting_rows(ConnectorSettings, "URIBA_CONNECTOR_")]

    assert [row for row in expected if row not in lines] == []
    assert len([line for line in lines if line.startswith("| `URIBA_") and line.count("|") == 4]) == len(expected)


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES_MAX


def test_the_page_on_architecture_has_the_layers_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["name"] == "Calls go down")
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text[text.index("| from the top |") :].split("\n\n")[0]

    shown = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in table.splitlines()[2:]]

    expected = [re.split(r" \| ", layer) for layer in layers]
    assert [name for row in shown for name in row] == [name for layer in expected for name in layer]


@pytest.mark.parametrize("index", ["docs/index.md", "docs/decisions/index.md"])
def test_an_index_links_to_every_page_beside_it(index: str) -> None:
    page = ROOT / index
    linked = set(re.findall(r"\]\(([\w-]+\.md)", page.read_text()))

    assert {other.name for other in page.parent.glob("*.md")} - {page.name} - linked == set()


def test_the_api_guide_has_every_error_code() -> None:
    text = (ROOT / "docs" / "api-guide.md").read_text()

    assert [code for code in Code if f"`{code}`" not in text] == []
