"""Saving: an export as a file that is there whole or not at all, or on standard output."""

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
    database: Database, subject: ExportTable, form: ExportFormat, given: Mapping[str, str | None], file: Path | None
) -> str:
    """Write an export; the cursor from which the event feed goes on.

    Errors: those of `parse_request`; `OSError` of the file, and then what it held before stands.
    """
    filters = {name: value for name, value in given.items() if value is not None}
    async with database.reading() as session:
        export = await snapshot.begin(database, session, await parse_request(session, subject, form, filters))
    with _opened(file) as out:
        async with aclosing(export.pieces()) as pieces:
            async for piece in pieces:
                out.write(piece)
        out.flush()
    return export.cursor


@contextmanager
def _opened(file: Path | None) -> Iterator[BinaryIO]:
    """What is written takes the file's place only when all of it is on the disk."""
    if file is None:
        yield sys.stdout.buffer
        return
    unfinished = file.with_name(f".{file.name}.{new_id()}")
    try:
        with unfinished.open("xb") as out:
            yield out
            os.fsync(out.fileno())
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
