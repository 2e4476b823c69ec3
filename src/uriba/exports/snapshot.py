"""Exporting: a table as it was at one moment, and the place in the event feed from which a reader goes on.

The place is read before the snapshot is taken: what the snapshot does not show yet comes after that place. What comes
after it and is shown already is told by its version. So a reader who takes an export, then follows the feed, misses
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from uriba.core import clock, pages
from uriba.db import Database, Session
from uriba.exports.columns import CellRow, cell_rows
from uriba.exports.csv_format import CsvWriter
from uriba.exports.requests import ExportFormat, ExportRequest
from uriba.exports.tables import TABLES
from uriba.outbox import relay

CURSOR_KEY = "uriba-feed-cursor"
"""The name of the place in the feed, as a header and in Parquet's metadata."""

EXPORTED_AT_KEY = "uriba-exported-at"


class ExportWriter(Protocol):
    """A form that is written piece by piece, so that it is never whole in memory."""

    def begin(self) -> bytes: ...

    def add(self, rows: list[CellRow]) -> bytes: ...

    def end(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is about to be written. `cursor` is what `events(after:)` takes."""

    database: Database
    wish: ExportRequest
    cursor: str

    async def pieces(self) -> AsyncGenerator[bytes]:
        """What is to be written, once, from one snapshot. Whoever stops before the end closes it."""
        table = TABLES[self.wish.subject]
        writing = _writing(self)
        yield writing.begin()
        async with self.database.transaction(notify=False) as session:
            await session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            async for rows in table.pages(session, self.wish):
                # Others are served while a page is written.
                if piece := await asyncio.to_thread(writing.add, cell_rows(table.columns, rows)):
                    yield piece
        yield await asyncio.to_thread(writing.end)


async def begin(database: Database, session: Session, wish: ExportRequest) -> Export:
    return Export(database, wish, pages.cursor(await relay.end_of_feed(session)))


def _writing(export: Export) -> ExportWriter:
    columns = TABLES[export.wish.subject].columns
    if export.wish.form is ExportFormat.CSV:
        return CsvWriter(columns)
    from uriba.exports.parquet_format import ParquetWriter  # its library takes time to import

    return ParquetWriter(columns, {CURSOR_KEY: export.cursor, EXPORTED_AT_KEY: clock.now().isoformat()})
