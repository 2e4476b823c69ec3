"""Commands that do not migrate refuse a database whose schema they do not fit, and change nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tests.support.schema_catalog import catalog, execute_statements, first_column
from tests.support.scratch_database import empty_database, migrated_database
from uriba import __version__
from uriba.cli import cli
from uriba.migrate import revisions
from uriba.migrate.errors import SchemaMismatch

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

COMMANDS = (
    ("api", "--port", "0"),
    ("worker",),
    ("check",),
    ("export", "products"),
    ("key", "terminal", "--location", "S1"),
    ("key", "app", "--channel", "web"),
    ("key", "staff", "--name", "Aiko"),
    ("key", "list"),
    ("key", "revoke", "x"),
    ("load", "complete-journey", "--stores", "1", "--days", "1"),
    ("load", "complete-journey", "--stores", "1", "--days", "1", "--replay"),
)
NEWEST = revisions.known_revisions()[0]
REVISION = "SELECT version_num FROM alembic_version"


@pytest.fixture
async def empty(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """An empty database, which commands use."""
    assert hub.settings.database_url
    async with empty_database(hub.settings.database_url) as url:
        use(hub, url, monkeypatch)
        yield url


@pytest.fixture
async def migrated(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A migrated database, which commands use."""
    assert hub.settings.database_url
    async with migrated_database(hub.settings.database_url) as url:
        use(hub, url, monkeypatch)
        yield url


def use(hub: RunningHub, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URIBA_DATABASE_URL", url)
    monkeypatch.setenv("URIBA_VALKEY_URL", str(hub.settings.valkey_url))


@pytest.fixture
def as_if_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this version know a revision after the newest one."""
    known = revisions.known_revisions()
    monkeypatch.setattr(revisions, "known_revisions", lambda: ("0777", *known))


def refusal(*words: str) -> str:
    """Return the sentence with which a command refuses."""
    result = CliRunner().invoke(cli, words)
    assert isinstance(result.exception, SchemaMismatch), (result.output, result.exception)
    return str(result.exception)


def as_it_is(url: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return the catalog, and the ids of the keys."""
    found = asyncio.run(catalog(url))
    return found, asyncio.run(first_column(url, "SELECT id FROM access_key")) if found["columns"] else []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_refuses_a_database_without_a_schema(empty: str, words: tuple[str, ...]) -> None:
    assert refusal(*words) == "The database has no schema yet. Run `uriba migrate` first."
    assert not any(asyncio.run(catalog(empty)).values())


@pytest.mark.usefixtures("as_if_newer")
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_refuses_a_database_at_an_older_revision(migrated: str, words: tuple[str, ...]) -> None:
    before = as_it_is(migrated)

    assert refusal(*words) == f"The database is at revision {NEWEST}; this version needs 0777. Run `uriba migrate`."
    assert as_it_is(migrated) == before


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_refuses_a_database_at_a_revision_that_it_does_not_know(migrated: str, words: tuple[str, ...]) -> None:
    asyncio.run(execute_statements(migrated, "UPDATE alembic_version SET version_num = '9999'"))
    before = as_it_is(migrated)

    assert refusal(*words) == (
        f"The database is at revision 9999, which this version of Uriba ({__version__}) does not know: its newest is "
        f"{NEWEST}. Install the version that migrated the database, or a newer one."
    )
    assert as_it_is(migrated) == before


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_refuses_a_data_dir_without_a_database(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("URIBA_DATABASE_URL", raising=False)
    monkeypatch.delenv("URIBA_VALKEY_URL", raising=False)
    folder = tmp_path / "data"

    sentence = refusal(*words, "--data-dir", str(folder))

    assert sentence == f"There is no database in {folder}. Run `uriba migrate` or `uriba up` first."
    assert not folder.exists()


def test_refuses_a_database_without_the_tables_of_the_sandbox(migrated: str) -> None:
    asyncio.run(execute_statements(migrated, "DROP TABLE sandbox_operation"))

    assert refusal("check") == "The database has no tables for sandbox payments. Run `uriba migrate`."


def test_production_needs_no_tables_of_the_sandbox(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URIBA_ENV", "production")

    migrated = CliRunner().invoke(cli, ["migrate"])
    checked = CliRunner().invoke(cli, ["key", "list"])

    assert (migrated.exit_code, checked.exit_code) == (0, 0), (migrated.exception, checked.exception)
    assert asyncio.run(first_column(empty, REVISION)) == [NEWEST]
    assert asyncio.run(first_column(empty, "SELECT relname FROM pg_class WHERE relname LIKE 'sandbox%'")) == []


def test_migrate_makes_the_schema_and_the_tables_of_the_sandbox(empty: str) -> None:
    migrated = CliRunner().invoke(cli, ["migrate"])

    assert migrated.exit_code == 0, migrated.exception
    assert asyncio.run(first_column(empty, REVISION)) == [NEWEST]
    assert CliRunner().invoke(cli, ["check"]).exit_code == 0


def test_prints_one_sentence_and_ends_with_status_1(empty: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "uriba", "key", "staff", "--name", "Aiko"], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "The database has no schema yet. Run `uriba migrate` first.\n"
    assert not any(asyncio.run(catalog(empty)).values())
