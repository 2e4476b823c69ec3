"""Exports written to a file, which is complete or not there at all, or to standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import BinaryIO

from uriba.core.ids import new_id
from uriba.db import Database
from uriba.exports import snapshot
from uriba.exports.requests import ExportFormat, ExportTable, parse_request


async def save(
    database: Database, table: ExportTable, format: ExportFormat, filters: Mapping[str, str | None], file: Path | None
) -> str:
    """Write an export to a file, or to standard output; return the cursor from which the event feed continues.

    Filters that are None are left out. Errors: those of `parse_request`; `OSError` if the file cannot be written. An
    existing file is unchanged then.
    """
    set_filters = {name: value for name, value in filters.items() if value is not None}
    async with database.reading() as session:
        request = await parse_request(session, table, format, set_filters)
        export = await snapshot.begin(database, session, request)
    with _open(file) as output:
        async with aclosing(export.chunks()) as chunks:
            async for chunk in chunks:
                output.write(chunk)
        output.flush()
    return export.cursor


@contextmanager
def _open(file: Path | None) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `file` when the block is done and everything is on the disk."""
    if file is None:
        yield sys.stdout.buffer
        return
    unfinished = file.with_name(f".{file.name}.{new_id()}")
    try:
        with unfinished.open("xb") as output:
            yield output
            os.fsync(output.fileno())
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
