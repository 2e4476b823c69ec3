"""`uriba export`: a table on standard output or in a file, and the feed cursor on standard error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from tests.support.export_calls import parse_csv
from uriba.cli import cli
from uriba.core.errors import NotFound
from uriba.core.pages import after_number
from uriba.exports.requests import ExportTable
from uriba.exports.snapshot import CURSOR_KEY
from uriba.exports.tables import TABLES

if TYPE_CHECKING:
    from tests.support.hub import RunningHub

CURSOR_TEXT = "feed cursor: "

Run = Callable[..., Result]


@pytest.fixture
def run(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command on the hub under test."""
    monkeypatch.setenv("URIBA_DATABASE_URL", str(hub.settings.database_url))
    monkeypatch.setenv("URIBA_VALKEY_URL", str(hub.settings.valkey_url))
    return lambda *words: CliRunner().invoke(cli, ["export", *words])


def cursor(result: Result) -> int | None:
    return after_number(result.stderr.split(CURSOR_TEXT)[1].strip())


def names(table: ExportTable) -> Sequence[str]:
    return [column.name for column in TABLES[table].columns]


def test_standard_output_has_only_the_table(run: Run) -> None:
    result = run("products")

    assert result.exit_code == 0, result.output
    lines = result.stdout_bytes.split(b"\r\n")
    assert lines[0].decode().split(",") == names(ExportTable.PRODUCTS)
    assert [row for row in parse_csv(result.stdout_bytes) if not row["variant_id"]] == []
    assert cursor(result) is not None


def test_a_parquet_file_has_the_printed_cursor(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "orders.parquet"

    result = run("orders", "--format", "parquet", "--since", "2026-01-01", "--output", str(file))

    assert (result.exit_code, result.stdout) == (0, "")
    schema = pq.read_schema(file)
    assert schema.names == names(ExportTable.ORDERS)
    assert schema.metadata[CURSOR_KEY.encode()].decode() == result.stderr.split(CURSOR_TEXT)[1].strip()


def test_an_unknown_location_leaves_no_file(run: Run, tmp_path: Path) -> None:
    result = run("stock", "--location", "nowhere", "--output", str(tmp_path / "stock.csv"))

    assert isinstance(result.exception, NotFound)
    assert list(tmp_path.iterdir()) == []
