"""Exports of a table as it is at one moment, with the cursor from which to read the event feed afterwards.

The cursor is read before the snapshot is taken, so every change that the snapshot does not have comes after it in the
feed. Events after it may already be in the snapshot: their version is not above that of the row. A reader that takes an
export and then follows the feed misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from uriba.core import clock, pages
from uriba.core.extras import extra
from uriba.db import Database, Session
from uriba.exports.columns import CellRow
from uriba.exports.csv_format import CsvWriter
from uriba.exports.requests import ExportFormat, ExportRequest
from uriba.exports.tables import TABLES
from uriba.outbox import relay

if TYPE_CHECKING:
    from uriba.exports.parquet_format import ParquetWriter

CURSOR_KEY = "uriba-feed-cursor"
"""The name of the feed cursor, as an HTTP header and in the metadata of Parquet files."""

EXPORTED_AT_KEY = "uriba-exported-at"


class ExportWriter(Protocol):
    """A writer of a format. It returns the file in chunks, so that the file is never in memory as a whole."""

    def begin(self) -> bytes: ...

    def add(self, rows: list[CellRow]) -> bytes: ...

    def end(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is about to be written. `cursor` is the argument for `events(after:)`."""

    database: Database
    request: ExportRequest
    cursor: str

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the file in chunks, from one snapshot, once. Callers that stop before the end close the generator."""
        table = TABLES[self.request.table]
        writer = _writer(self)
        yield writer.begin()
        async with self.database.snapshot() as session:
            async for rows in table.pages(session, self.request):
                # In a thread, so that other requests are served meanwhile.
                if chunk := await asyncio.to_thread(writer.add, rows):
                    yield chunk
        yield await asyncio.to_thread(writer.end)


async def begin(database: Database, session: Session, request: ExportRequest) -> Export:
    """Return the export of a request, with the cursor of the feed's present end.

    Errors: `NotInstalled` for Parquet without its package.
    """
    if request.format is ExportFormat.PARQUET:
        _parquet_writer()
    return Export(database, request, pages.cursor(await relay.end_of_feed(session)))


def _writer(export: Export) -> ExportWriter:
    columns = TABLES[export.request.table].columns
    if export.request.format is ExportFormat.CSV:
        return CsvWriter(columns)
    metadata = {CURSOR_KEY: export.cursor, EXPORTED_AT_KEY: clock.now().isoformat()}
    return _parquet_writer()(columns, metadata)


def _parquet_writer() -> type[ParquetWriter]:
    with extra("exports"):
        from uriba.exports.parquet_format import ParquetWriter
    return ParquetWriter
