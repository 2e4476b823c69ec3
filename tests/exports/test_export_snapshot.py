"""An export is a snapshot; the feed after its cursor has every later change. Incomplete exports are not mistaken for complete ones."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.export_calls import csv_rows, export_url, get_export, parse_csv
from tests.support.shop import Shop
from tests.support.waiting import wait_until
from uriba.core.errors import DomainError
from uriba.db import Row, Session
from uriba.exports import files, snapshot, tables
from uriba.exports.requests import ExportFormat, ExportRequest, ExportTable, parse_request
from uriba.exports.snapshot import CURSOR_KEY, Export
from uriba.exports.tables import TABLES, TableDefinition
from uriba.http.exports import CONCURRENT_EXPORTS_MAX

EVENTS = """query ($after: String) { events(after: $after, first: 100, types: ["stock.changed"]) {
    edges { node { subject version data } } pageInfo { endCursor hasNextPage } } }"""


async def begin_export(shop: Shop, table: ExportTable, **filters: str) -> Export:
    async with shop.hub.database.reading() as session:
        request = await parse_request(session, table, ExportFormat.CSV, filters)
        return await snapshot.begin(shop.hub.database, session, request)


async def events_after(shop: Shop, cursor: str, subject: str) -> list[dict[str, Any]]:
    """Return the events of a level after a cursor, up to the feed's end."""
    found: list[dict[str, Any]] = []
    while True:
        page = (await shop.staff.execute(EVENTS, after=cursor))["events"]
        found += [edge["node"] for edge in page["edges"] if edge["node"]["subject"] == subject]
        cursor = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


async def test_a_change_during_an_export_is_after_its_cursor_in_the_feed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROWS_MAX", 1)
    await shop.receive(TEA_S1=10, CUP_S1=4)
    export = await begin_export(shop, ExportTable.STOCK, location=shop.code("S1"))
    chunks = export.chunks()
    received = [await anext(chunks), await anext(chunks)]

    await shop.receive(CUP_S1=5, POT_S1=1)
    received += [chunk async for chunk in chunks]

    rows = parse_csv(b"".join(received))
    assert [(row["sku"], row["on_hand_units"]) for row in rows] == [(shop.sku("TEA"), "10"), (shop.sku("CUP"), "4")]
    cup = rows[1]
    events = await wait_until(lambda: newer_events(shop, export.cursor, cup))
    assert [event["data"]["onHand"] for event in events] == [9]
    assert [event["version"] for event in events] == [int(cup["version"]) + 1]


async def newer_events(shop: Shop, cursor: str, row: dict[str, str]) -> list[dict[str, Any]]:
    """Return the events of a level that are newer than its exported row."""
    events = await events_after(shop, cursor, row["stock_level_id"])
    return [event for event in events if event["version"] > int(row["version"])]


async def test_an_export_and_the_feed_after_it_give_the_present_levels(shop: Shop) -> None:
    """Exports are taken while stock changes; each export and the feed after it give the present state."""
    stop = asyncio.Event()

    async def trade() -> None:
        while not stop.is_set():
            await shop.receive(TEA_S1=1, CUP_S1=2)

    await shop.receive(TEA_S1=1, CUP_S1=1)
    trading = asyncio.create_task(trade())
    responses = [await get_export(shop.staff, "stock.csv", location=shop.code("S1")) for _ in range(5)]
    stop.set()
    await trading
    present = {row["stock_level_id"]: row for row in await csv_rows(shop.staff, "stock", location=shop.code("S1"))}

    for response in responses:
        for row in parse_csv(response.content):
            now = present[row["stock_level_id"]]
            await wait_until(
                lambda row=row, now=now, response=response: is_complete(shop, response.headers[CURSOR_KEY], row, now)
            )


async def is_complete(shop: Shop, cursor: str, row: dict[str, str], present: dict[str, str]) -> bool:
    """Whether the row, the feed after its export and the present state have all versions."""
    events = await newer_events(shop, cursor, row)
    versions = [event["version"] for event in events]
    last = events[-1]["data"]["onHand"] if events else int(row["on_hand_units"])
    wanted = list(range(int(row["version"]) + 1, int(present["version"]) + 1))
    return (versions, last) == (wanted, int(present["on_hand_units"]))


async def test_parquet_metadata_has_the_cursor_of_the_header(shop: Shop) -> None:
    response = await get_export(shop.staff, "products.parquet")

    metadata = pq.read_schema(io.BytesIO(response.content)).metadata
    assert metadata[CURSOR_KEY.encode()].decode() == response.headers[CURSOR_KEY]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class ConnectionLost(Exception):
    """The database fails during an export."""


def fail_after_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    stock = TABLES[ExportTable.STOCK]

    async def pages(session: Session, request: ExportRequest) -> AsyncIterator[Sequence[Row]]:
        async for rows in stock.read_pages(session, request):
            yield rows
        raise ConnectionLost

    monkeypatch.setitem(TABLES, ExportTable.STOCK, TableDefinition(stock.columns, pages))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_an_incomplete_export_is_recognized(shop: Shop, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    await shop.receive(TEA_S1=1)
    fail_after_all_rows(monkeypatch)
    got = b""

    with pytest.raises(httpx.RemoteProtocolError):
        async with shop.staff.http.stream("GET", export_url(shop.staff, f"stock.{form}")) as response:
            async for piece in response.aiter_bytes():
                got += piece

    assert got
    if form == "parquet":
        with pytest.raises(pa.ArrowInvalid):
            pq.read_table(io.BytesIO(got))


async def test_a_failed_export_leaves_the_previous_file(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await shop.receive(TEA_S1=1)
    file, given = tmp_path / "stock.csv", {"location": shop.code("S1"), "since": None}

    await files.save(shop.hub.database, ExportTable.STOCK, ExportFormat.CSV, given, file)
    first = file.read_bytes()
    fail_after_all_rows(monkeypatch)
    with pytest.raises(ConnectionLost):
        await files.save(shop.hub.database, ExportTable.STOCK, ExportFormat.CSV, given, file)

    assert [row["sku"] for row in parse_csv(first)] == [shop.sku("TEA")]
    assert file.read_bytes() == first
    assert names(tmp_path) == ["stock.csv"]


async def test_an_invalid_request_leaves_no_file(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="stock can be filtered by location"):
        await files.save(
            shop.hub.database, ExportTable.STOCK, ExportFormat.CSV, {"since": "2026"}, tmp_path / "stock.csv"
        )

    assert names(tmp_path) == []


def never_end(monkeypatch: pytest.MonkeyPatch, *, times: int) -> set[int]:
    """Make exports of stock repeat their rows, then wait for ever; return the ids of their sessions while they are open."""
    stock, open_sessions = TABLES[ExportTable.STOCK], set[int]()

    async def pages(session: Session, request: ExportRequest) -> AsyncIterator[Sequence[Row]]:
        open_sessions.add(id(session))
        try:
            for _ in range(times):
                async for rows in stock.read_pages(session, request):
                    yield rows
            await asyncio.Event().wait()
        finally:
            open_sessions.discard(id(session))

    monkeypatch.setitem(TABLES, ExportTable.STOCK, TableDefinition(stock.columns, pages))  # type: ignore[arg-type]
    return open_sessions


async def is_empty(found: set[int]) -> bool:
    return not found


async def is_full(found: set[int]) -> bool:
    return bool(found)


async def test_a_disconnected_reader_closes_its_export(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_S1=1)
    with monkeypatch.context() as patch:
        open_sessions = never_end(patch, times=1)
        for _ in range(CONCURRENT_EXPORTS_MAX + 1):
            async with shop.staff.http.stream("GET", export_url(shop.staff, "stock.csv")):
                await wait_until(lambda: is_full(open_sessions), within_s=30)
            await wait_until(lambda: is_empty(open_sessions), within_s=30)

    assert await csv_rows(shop.staff, "stock", location=shop.code("S1"))


async def test_a_stalled_reader_loses_its_export(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_S1=1)
    with monkeypatch.context() as patch:
        patch.setattr("uriba.http.exports.CHUNK_TIMEOUT_S", 0.2)
        open_sessions = never_end(patch, times=1_000_000)
        async with shop.staff.http.stream("GET", export_url(shop.staff, "stock.csv")) as response:
            await wait_until(lambda: is_full(open_sessions), within_s=30)
            await wait_until(lambda: is_empty(open_sessions), within_s=30)
            with pytest.raises(httpx.RemoteProtocolError):
                async for _ in response.aiter_bytes():
                    pass

    assert await csv_rows(shop.staff, "stock", location=shop.code("S1"))


async def test_an_export_ends_at_its_time_limit(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_S1=1)
    with monkeypatch.context() as patch:
        patch.setattr("uriba.http.exports.EXPORT_TIMEOUT_S", 0.3)
        never_end(patch, times=1_000_000)
        with pytest.raises(httpx.RemoteProtocolError):
            async with shop.staff.http.stream("GET", export_url(shop.staff, "stock.csv")) as response:
                async for _ in response.aiter_bytes():
                    pass

    assert await csv_rows(shop.staff, "stock", location=shop.code("S1"))


async def test_two_exports_are_written_at_a_time_and_the_next_waits(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.receive(TEA_S1=1)
    with monkeypatch.context() as patch:
        open_sessions = never_end(patch, times=1)
        async with AsyncExitStack() as others, AsyncExitStack() as mine:
            for number in range(CONCURRENT_EXPORTS_MAX):
                await others.enter_async_context(shop.staff.http.stream("GET", export_url(shop.staff, "stock.csv")))
                await wait_until(lambda n=number: has(open_sessions, n + 1), within_s=30)  # type: ignore[misc]
            response = await mine.enter_async_context(
                shop.staff.http.stream("GET", export_url(shop.staff, "stock.csv"))
            )
            first_chunk = asyncio.ensure_future(anext(response.aiter_bytes()))
            early, _ = await asyncio.wait({first_chunk}, timeout=0.5)
            at_once = len(open_sessions)
            await others.aclose()
            received = await asyncio.wait_for(first_chunk, 30)

    assert not early
    assert received.startswith(b"stock_level_id,")
    assert at_once == CONCURRENT_EXPORTS_MAX
    assert await csv_rows(shop.staff, "stock", location=shop.code("S1"))


async def has(found: set[int], count: int) -> bool:
    return len(found) == count
