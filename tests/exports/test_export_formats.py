"""CSV and Parquet: equal values, no formulas, and limited memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.export_calls import csv_rows, parquet_table, parse_csv, place_order
from tests.support.shop import ERRORS, Shop
from uriba.core.ids import new_id
from uriba.db import Session
from uriba.db.statements import statement
from uriba.exports import parquet_format
from uriba.exports.columns import amount, boolean, cell_rows, integer, rate, text, time
from uriba.exports.csv_format import CsvWriter
from uriba.exports.parquet_format import ParquetWriter
from uriba.exports.requests import ExportFormat, ExportRequest, ExportTable
from uriba.exports.snapshot import CURSOR_KEY, ExportWriter
from uriba.exports.tables import TABLES

LEVELS = 20_000
COLUMNS = [
    text("name"),
    integer("units"),
    amount("price_amount", "minor"),
    time("at_utc"),
    boolean("good"),
    rate("r"),
]
AT = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


def row(name: str | None, **given: Any) -> dict[str, Any]:
    return {
        "name": name,
        "units": -3,
        "minor": -1999,
        "currency": "USD",
        "at_utc": AT,
        "good": True,
        "r": Decimal("0.080000"),
        **given,
    }


def written(writer: ExportWriter, *rows: dict[str, Any]) -> bytes:
    return writer.begin() + writer.add(cell_rows(COLUMNS, rows)) + writer.end()


def test_csv_follows_rfc_4180() -> None:
    found = written(CsvWriter(COLUMNS), row('Cup, "large"\nblue'), row("茶", minor=1280, currency="JPY", good=False))

    assert found.decode() == (
        "name,units,price_amount,at_utc,good,r\r\n"
        '"Cup, ""large""\nblue",-3,-19.99,2026-11-01T12:30:00.000000+00:00,true,0.08\r\n'
        "茶,-3,1280,2026-11-01T12:30:00.000000+00:00,false,0.08\r\n"
    )


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_escapes_texts_that_begin_like_a_formula(first: str) -> None:
    name = f"{first}cmd|' /C calc'!A0"

    (found,) = parse_csv(written(CsvWriter(COLUMNS), row(name)))

    assert found["name"] == f"'{name}"


def test_writes_negative_numbers_unchanged() -> None:
    (found,) = parse_csv(written(CsvWriter(COLUMNS), row("a=b")))

    assert (found["name"], found["units"], found["price_amount"]) == ("a=b", "-3", "-19.99")


def test_writes_none_as_an_empty_cell_and_as_null() -> None:
    nothing = row(None, units=None, at_utc=None)

    assert list(parse_csv(written(CsvWriter(COLUMNS), nothing))[0].values())[:2] == ["", ""]
    table = pq.read_table(io.BytesIO(written(ParquetWriter(COLUMNS, {}), nothing)))
    assert [table[name].to_pylist() for name in ("name", "units", "at_utc")] == [[None], [None], [None]]


@pytest.mark.parametrize(
    ("minor", "currency", "expected"),
    [(2**63 - 1, "JPY", str(2**63 - 1)), (1, "KWD", "0.001"), (1, "CLF", "0.0001"), (-5, "USD", "-0.05")],
)
def test_writes_amounts_of_all_currencies_exactly(minor: int, currency: str, expected: str) -> None:
    given = row("Cup", minor=minor, currency=currency)

    assert parse_csv(written(CsvWriter(COLUMNS), given))[0]["price_amount"] == expected
    table = pq.read_table(io.BytesIO(written(ParquetWriter(COLUMNS, {}), given)))
    assert table["price_amount"].to_pylist() == [Decimal(expected)]


def as_csv(value: object) -> str:
    """Return a value of Parquet as CSV writes it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat(timespec="microseconds")
        case Decimal():
            return f"{value.normalize():f}"
        case _:
            return str(value)


async def test_parquet_and_csv_have_the_same_values(shop: Shop) -> None:
    await shop.receive(TEA_W1=10, POT_W1=3)
    await place_order(shop, shop.guest("app"), TEA=2, POT=1)

    for subject, given in (
        ("products", {}),
        ("stock", {"location": shop.code("W1")}),
        ("orders", {"channel": shop.code("app")}),
    ):
        table = await parquet_table(shop.staff, subject, **given)
        found = [{name: as_csv(value) for name, value in row.items()} for row in table.to_pylist()]
        wanted = await csv_rows(shop.staff, subject, **given)
        assert [row for row in found if shop.suffix in row["sku"]] == [
            row for row in wanted if shop.suffix in row["sku"]
        ]
        assert found and CURSOR_KEY.encode() in table.schema.metadata


async def test_an_export_without_rows_has_its_columns(shop: Shop) -> None:
    names = [column.name for column in TABLES[ExportTable.ORDERS].columns]

    table = await parquet_table(shop.staff, "orders", channel=shop.code("web"))

    assert (table.column_names, table.num_rows) == (names, 0)
    assert await csv_rows(shop.staff, "orders", channel=shop.code("web")) == []


async def test_escapes_a_formula_in_csv_and_not_in_parquet(shop: Shop) -> None:
    variant = {"sku": shop.sku("EVIL"), "name": "=1+1", "taxClass": "standard"}
    rows = [{"handle": shop.code("evil"), "name": '=HYPERLINK("http://x")', "variants": [variant]}]
    payload = await shop.staff.mutate(
        f"mutation ($r: [ProductInput!]!) {{ productsUpsert(products: $r) {{ count {ERRORS} }} }}", r=rows
    )
    assert not payload["errors"], payload

    (cell,) = [row for row in await csv_rows(shop.staff, "products") if row["sku"] == shop.sku("EVIL")]
    table = (await parquet_table(shop.staff, "products")).to_pylist()

    assert (cell["name"], cell["product_name"]) == ("'=1+1", '\'=HYPERLINK("http://x")')
    assert [row["name"] for row in table if row["sku"] == shop.sku("EVIL")] == ["=1+1"]


class RollBack(Exception):
    """Ends a transaction without a commit."""


async def insert_levels(session: Session) -> int:
    """Insert 20,000 empty levels of a new location; return the location's id."""
    mark = new_id().hex
    location_id = await session.fetchval(
        statement(
            "INSERT INTO location (code, name, kind, timezone, offers_pickup, ships_orders) "
            "VALUES (:code, 'Many', 'WAREHOUSE', 'UTC', false, false) RETURNING id"
        ),
        code=mark,
    )
    product_id = await session.fetchval(
        statement("INSERT INTO product (handle, name) VALUES (:handle, 'Many') RETURNING id"), handle=mark
    )
    await session.run(
        statement(
            "WITH made AS (INSERT INTO variant (product_id, sku, name, tax_class, discontinued) "
            "SELECT :product_id, :sku_prefix || n, 'Many', 'standard', false FROM generate_series(1, :levels::int) AS n "
            "RETURNING id) "
            "INSERT INTO stock_level (variant_id, location_id) SELECT id, :location_id FROM made"
        ),
        product_id=product_id,
        sku_prefix=mark,
        levels=LEVELS,
        location_id=location_id,
    )
    return int(location_id)


async def chunks(session: Session, writer: ExportWriter, location_id: int) -> AsyncIterator[bytes]:
    stock = TABLES[ExportTable.STOCK]
    yield writer.begin()
    request = ExportRequest(ExportTable.STOCK, ExportFormat.CSV, location_id=location_id)
    async for rows in stock.pages(session, request):
        yield writer.add(list(rows))
    yield writer.end()


async def test_memory_does_not_grow_with_the_export(shop: Shop) -> None:
    peaks, size = [], 0
    with pytest.raises(RollBack):
        async with shop.hub.database.transaction(notify=False) as session:
            location_id = await insert_levels(session)
            tracemalloc.start()
            async for chunk in chunks(session, CsvWriter(TABLES[ExportTable.STOCK].columns), location_id):
                size += len(chunk)
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.reset_peak()
            tracemalloc.stop()
            raise RollBack

    early, late = max(peaks[1:4]), max(peaks[-4:-1])
    assert len(peaks) == 2 + LEVELS / 2_000
    assert size > 1_500_000
    # Less than the size of the export: chunks are not kept.
    assert late - early < size / 4, peaks


async def test_parquet_is_returned_by_row_group(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_format, "ROW_GROUP_ROWS", 4_000)
    found: list[bytes] = []
    with pytest.raises(RollBack):
        async with shop.hub.database.transaction(notify=False) as session:
            writer = ParquetWriter(TABLES[ExportTable.STOCK].columns, {})
            location_id = await insert_levels(session)
            found.extend([chunk async for chunk in chunks(session, writer, location_id)])
            raise RollBack

    file = pq.ParquetFile(io.BytesIO(b"".join(found)))
    assert file.metadata.num_rows == LEVELS
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [4_000] * 5
    assert sum(1 for chunk in found if len(chunk) > 1_000) >= 5
