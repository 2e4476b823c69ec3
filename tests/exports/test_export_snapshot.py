"""An export is one moment of the hub, and the feed after its cursor tells all that is not in it."""

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
from export_client import address, ask, csv_rows, parsed

from patience import eventually
from shop import Shop
from uriba.core.errors import DomainError
from uriba.db import Row, Session
from uriba.exports import files, snapshot, tables
from uriba.exports.requests import ExportFormat, ExportRequest, ExportTable, parse_request
from uriba.exports.snapshot import CURSOR_KEY, Export
from uriba.exports.tables import TABLES, TableDefinition
from uriba.http.exports import AT_ONCE_MAX

EVENTS = """query ($after: String) { events(after: $after, first: 100, types: ["stock.changed"]) {
    edges { node { subject version data } } pageInfo { endCursor hasNextPage } } }"""


async def begun(shop: Shop, subject: ExportTable, **filters: str) -> Export:
    async with shop.hub.database.reading() as session:
        wanted = await parse_request(session, subject, ExportFormat.CSV, filters)
        return await snapshot.begin(shop.hub.database, session, wanted)


async def told_after(shop: Shop, cursor: str, subject: str) -> list[dict[str, Any]]:
    """The events of a level after a cursor, up to the feed's end."""
    found: list[dict[str, Any]] = []
    while True:
        page = (await shop.staff.run(EVENTS, after=cursor))["events"]
        found += [edge["node"] for edge in page["edges"] if edge["node"]["subject"] == subject]
        cursor = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


async def test_a_change_during_an_export_is_not_in_it_but_after_its_cursor(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROWS_MAX", 1)
    await shop.receive(TEA_S1=10, CUP_S1=4)
    export = await begun(shop, ExportTable.STOCK, location=shop.code("S1"))
    pieces = export.pieces()
    taken = [await anext(pieces), await anext(pieces)]

    await shop.receive(CUP_S1=5, POT_S1=1)
    taken += [piece async for piece in pieces]

    rows = parsed(b"".join(taken))
    assert [(row["sku"], row["on_hand_units"]) for row in rows] == [(shop.sku("TEA"), "10"), (shop.sku("CUP"), "4")]
    cup = rows[1]
    events = await eventually(lambda: newer(shop, export.cursor, cup))
    assert [event["data"]["onHand"] for event in events] == [9]
    assert [event["version"] for event in events] == [int(cup["version"]) + 1]


async def newer(shop: Shop, cursor: str, row: dict[str, str]) -> list[dict[str, Any]]:
    """What the feed tells of a level that its row in an export does not hold."""
    told = await told_after(shop, cursor, row["stock_level_id"])
    return [event for event in told if event["version"] > int(row["version"])]


async def test_whoever_takes_an_export_and_follows_the_feed_knows_every_level(shop: Shop) -> None:
    """Sales go on while exports are taken; each export and what follows it add up to the present."""
    stop = asyncio.Event()

    async def trade() -> None:
        while not stop.is_set():
            await shop.receive(TEA_S1=1, CUP_S1=2)

    await shop.receive(TEA_S1=1, CUP_S1=1)
    trading = asyncio.create_task(trade())
    answers = [await ask(shop.staff, "stock.csv", location=shop.code("S1")) for _ in range(5)]
    stop.set()
    await trading
    present = {row["stock_level_id"]: row for row in await csv_rows(shop.staff, "stock", location=shop.code("S1"))}

    for answer in answers:
        for row in parsed(answer.content):
            now = present[row["stock_level_id"]]
            await eventually(
                lambda row=row, now=now, answer=answer: adds_up(shop, answer.headers[CURSOR_KEY], row, now)
            )


async def adds_up(shop: Shop, cursor: str, row: dict[str, str], present: dict[str, str]) -> bool:
    """Whether no version is missing between a row, the feed after its export, and the present."""
    events = await newer(shop, cursor, row)
    versions = [event["version"] for event in events]
    last = events[-1]["data"]["onHand"] if events else int(row["on_hand_units"])
    wanted = list(range(int(row["version"]) + 1, int(present["version"]) + 1))
    return (versions, last) == (wanted, int(present["on_hand_units"]))


async def test_parquet_says_the_same_cursor_as_the_header(shop: Shop) -> None:
    answer = await ask(shop.staff, "products.parquet")

    metadata = pq.read_schema(io.BytesIO(answer.content)).metadata
    assert metadata[CURSOR_KEY.encode()].decode() == answer.headers[CURSOR_KEY]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Broken(Exception):
    """The database is gone in the midst of an export."""


def breaking_off(monkeypatch: pytest.MonkeyPatch) -> None:
    stock = TABLES[ExportTable.STOCK]

    async def pages(session: Session, wanted: ExportRequest) -> AsyncIterator[Sequence[Row]]:
        async for rows in stock.pages(session, wanted):
            yield rows
        raise Broken

    monkeypatch.setitem(TABLES, ExportTable.STOCK, TableDefinition(stock.columns, pages))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_half_an_export_does_not_look_whole(shop: Shop, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    await shop.receive(TEA_S1=1)
    breaking_off(monkeypatch)
    got = b""

    with pytest.raises(httpx.RemoteProtocolError):
        async with shop.staff.http.stream("GET", address(shop.staff, f"stock.{form}")) as answer:
            async for piece in answer.aiter_bytes():
                got += piece

    assert got
    if form == "parquet":
        with pytest.raises(pa.ArrowInvalid):
            pq.read_table(io.BytesIO(got))


async def test_a_file_is_there_whole_or_not_at_all(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    await shop.receive(TEA_S1=1)
    file, given = tmp_path / "stock.csv", {"location": shop.code("S1"), "since": None}

    await files.save(shop.hub.database, ExportTable.STOCK, ExportFormat.CSV, given, file)
    first = file.read_bytes()
    breaking_off(monkeypatch)
    with pytest.raises(Broken):
        await files.save(shop.hub.database, ExportTable.STOCK, ExportFormat.CSV, given, file)

    assert [row["sku"] for row in parsed(first)] == [shop.sku("TEA")]
    assert file.read_bytes() == first
    assert names(tmp_path) == ["stock.csv"]


async def test_a_file_is_not_begun_for_a_wish_that_cannot_be_meant(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="stock can be narrowed by location"):
        await files.save(
            shop.hub.database, ExportTable.STOCK, ExportFormat.CSV, {"since": "2026"}, tmp_path / "stock.csv"
        )

    assert names(tmp_path) == []


def going_on(monkeypatch: pytest.MonkeyPatch, *, times: int) -> set[int]:
    """The stock comes so many times, then no more and no end; the exports that are being written."""
    stock, written = TABLES[ExportTable.STOCK], set[int]()

    async def pages(session: Session, wanted: ExportRequest) -> AsyncIterator[Sequence[Row]]:
        written.add(id(session))
        try:
            for _ in range(times):
                async for rows in stock.pages(session, wanted):
                    yield rows
            await asyncio.Event().wait()
        finally:
            written.discard(id(session))

    monkeypatch.setitem(TABLES, ExportTable.STOCK, TableDefinition(stock.columns, pages))  # type: ignore[arg-type]
    return written


async def is_empty(found: set[int]) -> bool:
    return not found


async def is_full(found: set[int]) -> bool:
    return bool(found)


async def test_readers_who_hang_up_leave_nothing_open(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_S1=1)
    with monkeypatch.context() as patch:
        written = going_on(patch, times=1)
        for _ in range(AT_ONCE_MAX + 1):
            async with shop.staff.http.stream("GET", address(shop.staff, "stock.csv")):
                await eventually(lambda: is_full(written), within_s=30)
            await eventually(lambda: is_empty(written), within_s=30)

    assert await csv_rows(shop.staff, "stock", location=shop.code("S1"))


async def test_readers_who_take_nothing_any_more_hold_nobody_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_S1=1)
    with monkeypatch.context() as patch:
        patch.setattr("uriba.http.exports.STALLED_S", 0.2)
        written = going_on(patch, times=1_000_000)
        async with shop.staff.http.stream("GET", address(shop.staff, "stock.csv")) as answer:
            await eventually(lambda: is_full(written), within_s=30)
            await eventually(lambda: is_empty(written), within_s=30)
            with pytest.raises(httpx.RemoteProtocolError):
                async for _ in answer.aiter_bytes():
                    pass

    assert await csv_rows(shop.staff, "stock", location=shop.code("S1"))


async def test_none_lasts_longer_than_it_may(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.receive(TEA_S1=1)
    with monkeypatch.context() as patch:
        patch.setattr("uriba.http.exports.LASTS_MAX_S", 0.3)
        going_on(patch, times=1_000_000)
        async with shop.staff.http.stream("GET", address(shop.staff, "stock.csv")) as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                async for _ in answer.aiter_bytes():
                    pass

    assert await csv_rows(shop.staff, "stock", location=shop.code("S1"))


async def test_two_are_written_at_a_time_and_the_next_waits_for_its_turn(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.receive(TEA_S1=1)
    with monkeypatch.context() as patch:
        written = going_on(patch, times=1)
        async with AsyncExitStack() as others, AsyncExitStack() as mine:
            for number in range(AT_ONCE_MAX):
                await others.enter_async_context(shop.staff.http.stream("GET", address(shop.staff, "stock.csv")))
                await eventually(lambda n=number: has(written, n + 1), within_s=30)  # type: ignore[misc]
            answer = await mine.enter_async_context(shop.staff.http.stream("GET", address(shop.staff, "stock.csv")))
            piece = asyncio.ensure_future(anext(answer.aiter_bytes()))
            early, _ = await asyncio.wait({piece}, timeout=0.5)
            beside = len(written)
            await others.aclose()
            taken = await asyncio.wait_for(piece, 30)

    assert not early
    assert taken.startswith(b"stock_level_id,")
    assert beside == AT_ONCE_MAX
    assert await csv_rows(shop.staff, "stock", location=shop.code("S1"))


async def has(found: set[int], count: int) -> bool:
    return len(found) == count
